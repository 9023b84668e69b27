//! Tables as they are handed to people: named columns, rows of values, each of which knows its unit.
//!
//! What answers a question hands out [`Rows`]; what shows them (`lima-report`) knows nothing of where they come from.

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// How many.
    Count,
    /// Nanoseconds.
    Ns,
    /// An address in the kernel.
    Address,
    /// A number that names something and counts nothing, such as a process id or a line.
    Id,
    /// Yes or no.
    Flag,
    /// A stack: names of functions, innermost first.
    Frames,
    /// Several words.
    Texts,
    /// Several numbers.
    Numbers,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    Missing,
    /// Of a [`Kind::Text`].
    Text(String),
    /// Of a [`Kind::Count`], [`Kind::Ns`], [`Kind::Address`] or [`Kind::Id`].
    Number(u64),
    /// Of a [`Kind::Flag`].
    Flag(bool),
    /// Of a [`Kind::Frames`] or [`Kind::Texts`].
    Texts(Vec<String>),
    /// Of a [`Kind::Numbers`].
    Numbers(Vec<u64>),
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in JSON and CSV.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// Columns and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows; each has one value for each column.
    pub rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet, with these columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Kind)>) -> Self {
        let column = |(name, kind): (&str, _)| Column { name: name.to_owned(), kind };
        Self { columns: columns.into_iter().map(column).collect(), rows: Vec::new() }
    }

    /// The position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Takes a column out.
    pub fn remove(&mut self, name: &str) {
        if let Some(position) = self.position(name) {
            self.columns.remove(position);
            self.rows.iter_mut().for_each(|row| drop(row.remove(position)));
        }
    }

    /// A number of a row; 0 when it has none or the table has no such column.
    pub fn number(&self, row: usize, column: &str) -> u64 {
        match self.position(column).map(|position| &self.rows[row][position]) {
            Some(&Value::Number(number)) => number,
            _ => 0,
        }
    }

    /// A text of a row; empty when it has none or the table has no such column.
    pub fn text(&self, row: usize, column: &str) -> &str {
        match self.position(column).map(|position| &self.rows[row][position]) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl From<Vec<u64>> for Value {
    fn from(numbers: Vec<u64>) -> Self {
        Self::Numbers(numbers)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}
