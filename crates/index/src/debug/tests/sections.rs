//! The sections of debug information that are read, in the order in which the fuzz target `debug` has them.

/// Their names.
pub const SECTIONS: [&str; 11] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_line",
    ".debug_line_str",
    ".debug_str",
    ".debug_loclists",
    ".debug_rnglists",
    ".debug_loc",
    ".debug_ranges",
    ".debug_addr",
    ".debug_str_offsets",
];
