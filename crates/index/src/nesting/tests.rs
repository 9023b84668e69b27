//! Nesting in small kernels of known code. The locks are variables, so a constant argument says which one is meant.

use super::{Nesting, Role, roles};
use crate::code::tests::{each_way, function};
use crate::code::x86::X86;
use crate::code::{Program, argument_register, constants};
use crate::flow::{Answer, Object};
use crate::image::Image;
use lima_model::words::SiteMethod;

const CODE: &str = r"
long a, b, c;
void both(void) { mutex_lock(&a); _raw_spin_lock(&b); _raw_spin_unlock(&b); mutex_unlock(&a); seen(0); }
void apart(void) { mutex_lock(&a); mutex_unlock(&a); mutex_lock(&b); mutex_unlock(&b); seen(0); }
int tried(void)
{
	if (!mutex_trylock(&a)) { mutex_lock(&b); mutex_unlock(&b); return result(0); }
	_raw_spin_lock(&c); _raw_spin_unlock(&c); mutex_unlock(&a);
	return result(0);
}
int interrupted(void)
{
	if (mutex_lock_interruptible(&a)) { mutex_lock(&b); mutex_unlock(&b); return result(0); }
	_raw_spin_lock(&c); _raw_spin_unlock(&c); mutex_unlock(&a);
	return result(0);
}
void loop(int n) { mutex_lock(&a); for (int i = 0; i < n; i++) { _raw_spin_lock(&b); seen(&n); _raw_spin_unlock(&b); } mutex_unlock(&a); seen(0); }
__attribute__((noinline)) void take(void) { mutex_lock(&a); seen(&a); }
__attribute__((noinline)) void let_go(void) { seen(&a); mutex_unlock(&a); }
__attribute__((noinline)) void inner(void) { _raw_spin_lock(&b); seen(&b); _raw_spin_unlock(&b); seen(&b); }
void around(void) { take(); _raw_spin_lock(&c); _raw_spin_unlock(&c); let_go(); mutex_lock(&b); mutex_unlock(&b); seen(0); }
void calls(void) { mutex_lock(&a); inner(); mutex_unlock(&a); inner(); }
";

/// What the constants before each site say that it locks.
fn answers(image: &Image, program: &Program) -> Vec<Answer> {
    let mut lift = X86::default();
    let answer = |site: &crate::code::Site| {
        let graph = program.graph(image, &program.functions[site.function], &mut lift);
        let block = graph.block_at(site.address).expect("a block");
        let operations = graph.operations(block);
        let at = operations.partition_point(|instruction| instruction.address < site.address);
        let known = constants::before(&graph, block, at)[usize::from(argument_register(site.primitive.lock).0)];
        let object =
            known.map_or(Object::Unknown("test"), |address| Object::Global { address: address.cast_unsigned() });
        Answer { object, alternatives: Vec::new(), method: SiteMethod::Address }
    };
    program.sites.iter().map(answer).collect()
}

#[test]
fn what_is_taken_while_what_is_held() {
    each_way(CODE, |image, program, way| {
        let answers = answers(image, program);
        let nesting = Nesting::new(image, program, &answers);
        let symbol = |address: u64| {
            let site = program.sites.iter().position(|site| site.address == address).expect("a site");
            let Object::Global { address } = answers[site].object else { panic!("{way}: an unknown lock") };
            image.symbol_at(address).expect("a symbol").0.name.clone()
        };
        let rows = nesting.rows();
        let of = |name: &str| {
            let start = program.functions[function(program, name)].range.start;
            let rows = rows.iter().filter(|row| row.function == start);
            let mut found: Vec<_> = rows
                .map(|row| {
                    let through = row.through.and_then(|through| program.functions.starting(through));
                    let through = through.map_or("", |through| &program.functions[through].name);
                    format!("{}-{} {through}", symbol(row.outer), symbol(row.inner)).trim_end().to_owned()
                })
                .collect();
            found.sort();
            found.dedup();
            found
        };
        assert_eq!(of("both"), ["a-b"], "{way}");
        assert_eq!(of("apart"), [""; 0], "{way}");
        assert_eq!(of("tried"), ["a-c"], "{way}");
        assert_eq!(of("interrupted"), ["a-c"], "{way}");
        assert_eq!(of("loop"), ["a-b"], "{way}");
        assert_eq!(of("around"), ["a-c take"], "{way}");
        assert_eq!(of("calls"), ["a-b inner"], "{way}");
        let roles = roles(&nesting);
        let role = |name| roles[function(program, name).0 as usize];
        assert_eq!(role("take"), Role::Wrapper, "{way}");
        assert_eq!(role("let_go"), Role::Wrapper, "{way}");
        assert_eq!(role("both"), Role::Locks, "{way}");
        assert_eq!(role("around"), Role::Locks, "{way}");
        assert_eq!(role("mutex_lock"), Role::Primitive, "{way}");
        assert_eq!(role("seen"), Role::None, "{way}");
    });
}
