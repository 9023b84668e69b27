//! The functions that the statements have beyond SQL: adding histograms up, and reading percentiles from them.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, ListBuilder, StructArray, UInt16Builder, UInt64Array,
    UInt64Builder,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, UInt16Type, UInt64Type};
use datafusion::common::{Result, exec_err, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, EmitTo, GroupsAccumulator, ScalarUDF, Signature,
    Volatility, create_udf,
};
use lima_model::Histogram;
use std::sync::Arc;

/// `merge_histograms(buckets, waits)`: the histograms of all rows of a group as one, a struct of the same two lists.
pub fn merge_histograms() -> AggregateUDF {
    let signature = Signature::exact(list_types().to_vec(), Volatility::Immutable);
    AggregateUDF::from(Merge { signature })
}

/// `wait_quantile(histogram, q, min, max)`: as [`Histogram::quantile`].
pub fn wait_quantile() -> ScalarUDF {
    quantile("wait_quantile", |buckets, q, range| {
        let mut histogram = Histogram::default();
        buckets.iter().for_each(|&(bucket, waits)| histogram.add(bucket, waits));
        range.and_then(|(min, max)| histogram.quantile(q, min, max))
    })
}

/// `octave_quantile(histogram, q, min, max)`: as [`octave_quantile`](lima_model::histogram::octave_quantile).
pub fn octave_quantile() -> ScalarUDF {
    // The shortest and the longest may not have been measured.
    quantile("octave_quantile", |octaves, q, range| {
        let (min, max) = range.unwrap_or((0, u64::MAX));
        lima_model::histogram::octave_quantile(octaves, q, min, max)
    })
}

/// Reads a percentile from (bucket, count) in ascending order, and the shortest and the longest, where both are known.
type Quantile = fn(&[(usize, u64)], f64, Option<(u64, u64)>) -> Option<u64>;

fn quantile(name: &str, of: Quantile) -> ScalarUDF {
    let arguments = vec![DataType::Struct(histogram_fields()), DataType::Float64, DataType::UInt64, DataType::UInt64];
    create_udf(
        name,
        arguments,
        DataType::UInt64,
        Volatility::Immutable,
        Arc::new(move |arguments: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(arguments)?;
            Ok(ColumnarValue::Array(Arc::new(quantiles(&arrays, of)?)))
        }),
    )
}

fn list_types() -> [DataType; 2] {
    [DataType::UInt16, DataType::UInt64].map(|item| DataType::List(Arc::new(Field::new("item", item, false))))
}

fn histogram_fields() -> Fields {
    let [buckets, waits] = list_types();
    Fields::from(vec![Field::new("buckets", buckets, false), Field::new("waits", waits, false)])
}

fn quantiles(arrays: &[ArrayRef], of: Quantile) -> Result<UInt64Array> {
    let histograms = arrays[0].as_struct();
    let (buckets, waits) = (histograms.column(0).as_list::<i32>(), histograms.column(1).as_list::<i32>());
    let q = arrays[1].as_primitive::<Float64Type>();
    let (min, max) = (arrays[2].as_primitive::<UInt64Type>(), arrays[3].as_primitive::<UInt64Type>());
    let quantile = |row| {
        let mut filled = Vec::new();
        for_each(buckets, waits, row, |bucket, waits| filled.push((usize::from(bucket), waits)));
        let range = (min.is_valid(row) && max.is_valid(row)).then(|| (min.value(row), max.value(row)));
        of(&filled, q.value(row), range)
    };
    Ok((0..histograms.len()).map(quantile).collect())
}

/// Calls `each` with every bucket of the histogram in one row.
fn for_each(buckets: &ListArray, waits: &ListArray, row: usize, mut each: impl FnMut(u16, u64)) {
    let range = |list: &ListArray| list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
    let numbers = &buckets.values().as_primitive::<UInt16Type>().values()[range(buckets)];
    let counts = &waits.values().as_primitive::<UInt64Type>().values()[range(waits)];
    numbers.iter().zip(counts).for_each(|(&bucket, &count)| each(bucket, count));
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Merge {
    signature: Signature,
}

impl AggregateUDFImpl for Merge {
    fn name(&self) -> &str {
        "merge_histograms"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(histogram_fields()))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let [buckets, waits] = list_types();
        let field = |part, data_type| Arc::new(Field::new(format!("{}[{part}]", arguments.name), data_type, false));
        Ok(vec![field("buckets", buckets), field("waits", waits)])
    }

    fn accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("merge_histograms needs a GROUP BY")
    }

    fn groups_accumulator_supported(&self, _arguments: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(MergeGroups::default()))
    }
}

/// The histograms of the groups, each as (bucket, waits) in order of the buckets: most have few.
#[derive(Debug, Default)]
struct MergeGroups {
    groups: Vec<Vec<(u16, u64)>>,
}

impl MergeGroups {
    fn lists(&mut self, emit_to: EmitTo) -> [ArrayRef; 2] {
        let item = |data_type| Field::new("item", data_type, false);
        let mut buckets = ListBuilder::new(UInt16Builder::new()).with_field(item(DataType::UInt16));
        let mut waits = ListBuilder::new(UInt64Builder::new()).with_field(item(DataType::UInt64));
        for group in emit_to.take_needed(&mut self.groups) {
            for (bucket, count) in group {
                buckets.values().append_value(bucket);
                waits.values().append_value(count);
            }
            buckets.append(true);
            waits.append(true);
        }
        [Arc::new(buckets.finish()), Arc::new(waits.finish())]
    }
}

impl GroupsAccumulator for MergeGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        if filter.is_some() {
            return exec_err!("merge_histograms has no FILTER");
        }
        self.merge_batch(values, group_indices, total_num_groups)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.groups.resize_with(total_num_groups, Vec::new);
        let (buckets, waits) = (values[0].as_list::<i32>(), values[1].as_list::<i32>());
        for (row, &group) in group_indices.iter().enumerate() {
            let group = &mut self.groups[group];
            for_each(buckets, waits, row, |bucket, count| match group.binary_search_by_key(&bucket, |&(b, _)| b) {
                Ok(at) => group[at].1 += count,
                Err(at) => group.insert(at, (bucket, count)),
            });
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(StructArray::try_new(histogram_fields(), self.lists(emit_to).into(), None)?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(self.lists(emit_to).into())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        if filter.is_some() {
            return exec_err!("merge_histograms has no FILTER");
        }
        Ok(values.to_vec())
    }

    fn size(&self) -> usize {
        self.groups.iter().map(|group| size_of_val(group) + group.capacity() * size_of::<(u16, u64)>()).sum()
    }
}
