//! Which structs have a type inside them, by value: for what container_of leads to.

use super::{Type, TypeId, Types};

/// A struct or union that has a type inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedder {
    /// The struct or union, named.
    pub outer: TypeId,
    /// Where in it, bytes; of an array the first element.
    pub offset: u32,
    /// From one element to the next, when it is in an array (the innermost one); else 0.
    pub stride: u32,
    /// How many elements; 1 when it is in no array, 0 for a flexible one.
    pub count: u32,
}

/// A struct or union, named or not, has another as a member or as an array of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embedding {
    inner: TypeId,
    embedder: Embedder,
}

impl Types {
    /// The named structs and unions that have a struct or union inside them, directly or through others. Those of the
    /// kernel first.
    pub fn embedders(&self, id: TypeId) -> Vec<Embedder> {
        let mut embedders = Vec::new();
        self.each_embedder(id, &mut |embedder| embedders.push(embedder));
        embedders
    }

    /// [`embedders`](Self::embedders), without a list.
    pub fn each_embedder(&self, id: TypeId, found: &mut impl FnMut(Embedder)) {
        self.climb(Embedder { outer: self.resolve(id), offset: 0, stride: 0, count: 1 }, found);
    }

    fn climb(&self, from: Embedder, found: &mut impl FnMut(Embedder)) {
        if let Some(base) = &self.base {
            // What the module has around the kernel's structs is found from each of these below.
            base.climb_once(from, &mut |embedder| self.reached(embedder, found));
        }
        self.climb_once(from, &mut |embedder| self.reached(embedder, found));
    }

    fn reached(&self, embedder: Embedder, found: &mut impl FnMut(Embedder)) {
        if self.is_named(embedder.outer) {
            found(embedder);
        }
        self.climb_dyn(embedder, found);
    }

    fn climb_dyn(&self, from: Embedder, found: &mut impl FnMut(Embedder)) {
        let mut found: &mut dyn FnMut(Embedder) = found;
        self.climb(from, &mut found);
    }

    fn climb_once(&self, from: Embedder, found: &mut dyn FnMut(Embedder)) {
        let all = &self.facts.embeddings;
        let first = all.partition_point(|embedding| embedding.inner < from.outer);
        for embedding in all[first..].iter().take_while(|embedding| embedding.inner == from.outer) {
            let step = embedding.embedder;
            let (stride, count) = if from.count == 1 { (step.stride, step.count) } else { (from.stride, from.count) };
            found(Embedder { outer: step.outer, offset: from.offset.saturating_add(step.offset), stride, count });
        }
    }

    /// Who has whom as a member, of the types kept here.
    pub(super) fn gather_embeddings(&self) -> Vec<Embedding> {
        let mut all = Vec::new();
        for outer in self.own() {
            let Type::Composite(composite) = self.get(outer) else { continue };
            for member in self.members_of(composite.members) {
                let (mut inner, mut stride, mut count) = (self.resolve(member.of), 0, 1_u32);
                while let Type::Array { element, count: more } = self.get(inner) {
                    stride = self.bytes(element);
                    count = count.saturating_mul(more);
                    inner = self.resolve(element);
                }
                if matches!(self.get(inner), Type::Composite(_)) {
                    let embedder = Embedder { outer, offset: member.offset(), stride, count };
                    all.push(Embedding { inner, embedder });
                }
            }
        }
        all.sort_by_key(|embedding| embedding.inner);
        all
    }
}
