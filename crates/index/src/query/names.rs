//! How people spell functions.

use lima_model::pattern::fits;

/// Whether a symbol is meant by a name: the symbol itself, or what it was in the source before the compiler made a variant
/// of it (`f.isra.0`, `f.constprop.0`, `f.part.0`, `f.cold`).
pub fn function_fits(wanted: &str, symbol: &str) -> bool {
    let base = symbol.split_once('.').map_or(symbol, |(base, _)| base);
    fits(wanted, symbol) || fits(wanted, base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_function_are_meant_too() {
        for (wanted, symbol) in
            [("f", "f"), ("f", "f.isra.0"), ("f*", "foo"), ("f.isra.0", "f.isra.0"), ("*.cold", "f.cold")]
        {
            assert!(function_fits(wanted, symbol), "{wanted} {symbol}");
        }
        assert!(!function_fits("f.isra.0", "f") && !function_fits("f", "foo"));
    }
}
