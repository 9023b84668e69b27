//! Prints the tables of a trace as they stand in `docs/trace-format.md`.

fn main() {
    print!("{}", lima_model::schema::markdown());
}
