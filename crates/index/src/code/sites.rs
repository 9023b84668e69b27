//! The lock sites of an image: every call of a lock function.

use super::argument_register;
use super::calls::{CallKind, Calls};
use super::constants::{self, Known};
use super::functions::{FunctionId, Functions};
use super::graph::{Graph, Surroundings};
use super::x86::X86;
use lima_model::primitive::{Primitive, is_inner};
use lima_model::words::Operation;
use rayon::prelude::{IntoParallelRefMutIterator, ParallelIterator};
use rustc_hash::FxHashMap;

/// A lock site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Address of the call or jump.
    pub address: u64,
    /// The function that it is in.
    pub function: FunctionId,
    /// The lock function that is called.
    pub primitive: &'static Primitive,
    /// What the call does: the primitive's operation, unless an argument says otherwise.
    pub operation: Operation,
    /// Whether it is a jump that ends the function.
    pub tail: bool,
    /// Whether the lock is a lock function's own, such as the spinlock inside a mutex.
    pub own: bool,
    /// Of an initialiser: where the lock's name stands.
    pub lock_name: Option<u64>,
    /// Of an initialiser: the class key.
    pub class_key: Option<u64>,
    /// Of a lock that is a bit: its number, where the code says it.
    pub bit: Option<u64>,
}

/// The lock functions of a kernel, by address.
#[derive(Clone, Debug, Default)]
pub struct Primitives(FxHashMap<u64, &'static Primitive>);

impl Primitives {
    /// The lock functions of a kernel. Only global functions: a static one that is called `up` is something else.
    pub fn of(functions: &Functions) -> Self {
        let global = functions.iter().filter(|(_, function)| function.global);
        let named = global.filter_map(|(_, function)| {
            let primitive = function.names().find_map(|name| Primitive::named(name))?;
            Some((function.range.start, primitive))
        });
        Self(named.collect())
    }

    /// The lock function at an address.
    pub fn at(&self, address: u64) -> Option<&'static Primitive> {
        self.0.get(&address).copied()
    }

    /// Whether the kernel has the lock function of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.values().any(|primitive| primitive.name == name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The sites of an image, by function and ascending by address in each part of it.
pub fn sites(functions: &Functions, calls: &Calls, primitives: &Primitives, around: Surroundings<'_>) -> Vec<Site> {
    let mut sites: Vec<Site> = calls
        .all()
        .iter()
        .filter_map(|call| {
            let primitive = primitives.at(call.callee?)?;
            Some(Site {
                address: call.address,
                function: call.caller,
                primitive,
                operation: primitive.operation,
                tail: call.kind == CallKind::Tail,
                own: functions[call.caller].names().any(|name| is_inner(name)),
                lock_name: None,
                class_key: None,
                bit: None,
            })
        })
        .collect();
    // Few functions have sites whose other arguments matter.
    let mut of_function: Vec<&mut [Site]> = sites
        .chunk_by_mut(|a, b| a.function == b.function)
        .filter(|sites| sites.iter().any(|site| needs_arguments(site.primitive)))
        .collect();
    of_function.par_iter_mut().for_each_init(X86::default, |lift, sites| {
        let Some(function) = sites.first().map(|site| &functions[site.function]) else { return };
        let graph = Graph::build(function, around, lift);
        for site in sites.iter_mut().filter(|site| needs_arguments(site.primitive)) {
            read_arguments(site, &graph);
        }
    });
    sites
}

fn needs_arguments(primitive: &Primitive) -> bool {
    let Primitive { lock_name, class_key, tries_if, bit, .. } = primitive;
    [lock_name, class_key, tries_if, bit].iter().any(|argument| argument.is_some())
}

fn read_arguments(site: &mut Site, graph: &Graph) {
    let Some(block) = graph.block_at(site.address) else { return };
    let operations = graph.operations(block);
    let at = operations.partition_point(|instruction| instruction.address < site.address);
    let known: Known = constants::before(graph, block, at);
    let argument = |number: Option<u8>| known[usize::from(argument_register(number?).0)];
    let address = |number| argument(number).filter(|&value| value != 0).map(i64::cast_unsigned);
    site.lock_name = address(site.primitive.lock_name);
    site.class_key = address(site.primitive.class_key);
    site.bit = argument(site.primitive.bit).map(i64::cast_unsigned);
    if argument(site.primitive.tries_if).is_some_and(|value| value != 0) {
        site.operation = Operation::Try;
    }
}
