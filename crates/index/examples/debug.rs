//! Measures the room `debug` on an image, or shows the frames of addresses: `debug IMAGE [ADDRESS...]`. Without
//! addresses `LIMA_ADDRESSES` names a file with some, of calls for example, in hexadecimal, one a line.

use lima_index::debug::{Debug, TypeMap};
use lima_index::image::{Image, Place, SymbolKind};
use lima_index::types::{Types, VOID, btf};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("debug IMAGE [ADDRESS...]")?;
    let addresses: Vec<u64> = std::env::args()
        .skip(2)
        .map(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16))
        .collect::<Result<_, _>>()?;
    let mut step = Step::new();
    let image = Image::open(path.as_ref())?;
    step.done("open the image");
    let debug = Debug::open(&image)?.ok_or("no debug information")?;
    step.done("open the debug information");
    if addresses.is_empty() {
        let file = std::env::var("LIMA_ADDRESSES")?;
        let mut all: Vec<u64> = std::fs::read_to_string(file)?
            .lines()
            .map(|line| u64::from_str_radix(line.trim_start_matches("0x"), 16))
            .collect::<Result<_, _>>()?;
        all.sort_unstable();
        let frames = debug.frames(&all);
        step.done("frames");
        println!("{} addresses, {} frames", all.len(), frames.iter().map(Vec::len).sum::<usize>());
        drop(frames);
        let types = match types(&image)? {
            Some(types) => types,
            None => debug.types(path.as_ref(), None)?,
        };
        step.done("types");
        let types = TypeMap::new(types.into());
        step.done("map of types");
        let functions: Vec<u64> = image
            .symbols
            .iter()
            .filter(|symbol| symbol.kind == SymbolKind::Function && symbol.place == Place::Memory)
            .map(|symbol| symbol.address)
            .collect();
        let declared = debug.functions(&types, &functions);
        step.done("functions");
        println!("{} functions, {} known", functions.len(), declared.iter().flatten().count());
        let variables = debug.variables(&types);
        step.done("variables");
        let typed = variables.iter().filter(|variable| variable.of != VOID).count();
        println!("{} variables, {typed} with types {:?}", variables.len(), debug.losses());
        for share in [8, 1] {
            let wanted: Vec<u64> = functions.iter().step_by(share).copied().collect();
            let bindings = debug.variables_of(&types, &wanted);
            step.done("bindings");
            let count = bindings.iter().map(|variables| variables.bindings.len()).sum::<usize>();
            println!("{} functions, {count} bindings", wanted.len());
        }
    } else {
        for (address, frames) in addresses.iter().zip(debug.frames(&addresses)) {
            println!("{address:#x}");
            for frame in frames {
                println!("    {} {}:{}", frame.function, frame.file, frame.line);
            }
        }
    }
    println!("{:?}", debug.losses());
    Ok(())
}

/// The types of BTF, unless `LIMA_NO_BTF` is set.
fn types(image: &Image) -> Result<Option<Types>, Box<dyn Error>> {
    match image.section_data(".BTF")?.filter(|_| std::env::var_os("LIMA_NO_BTF").is_none()) {
        Some(btf) => Ok(Some(btf::read(&btf)?.build()?)),
        None => Ok(None),
    }
}

struct Step(Instant, f64);

impl Step {
    fn new() -> Self {
        Self(Instant::now(), cpu())
    }

    fn done(&mut self, what: &str) {
        let (wall, used) = (self.0.elapsed().as_secs_f64(), cpu() - self.1);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kb = |name| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
        println!(
            "{what:28} {:8.1} ms CPU {:8.1} ms wall   anon {} peak {}",
            used * 1e3,
            wall * 1e3,
            kb("RssAnon:"),
            kb("VmHWM:")
        );
        *self = Self::new();
    }
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
