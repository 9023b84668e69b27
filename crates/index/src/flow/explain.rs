//! Why a site has its answer, in words: for engineers.

use super::answer::Judge;
use super::values::{Node, NodeId, Value};
use lima_model::LockType;
use std::fmt::Write;

/// How deep values are spelled out.
const DEPTH: usize = 6;

impl Judge<'_> {
    /// The value, what it is made of, and the clues of each part.
    pub fn explain(&self, value: Value, lock_type: LockType) -> String {
        let mut text = self.containers().explain(value, lock_type);
        text.push('\n');
        let mut seen = Vec::new();
        let _ = writeln!(text, "n{} {:+#x}", value.node.0, value.offset);
        self.node(value.node, 1, &mut seen, &mut text);
        text
    }

    fn node(&self, id: NodeId, depth: usize, seen: &mut Vec<NodeId>, text: &mut String) {
        let node = self.follower.values.node(id);
        let _ = write!(text, "{:1$}n{2} = {node:?}", "", depth * 2, id.0);
        if seen.contains(&id) || depth > DEPTH {
            text.push('\n');
            return;
        }
        seen.push(id);
        for clue in self.evidence.clues(id) {
            let _ = write!(text, "  {}{:+#x}:{}", self.types.spelled(clue.of), clue.at, clue.strength);
        }
        text.push('\n');
        match node {
            Node::Load { address, .. } | Node::Aligned { of: address, .. } => {
                self.node(address.node, depth + 1, seen, text);
            }
            Node::Indexed { base, by, .. } => {
                self.node(base, depth + 1, seen, text);
                self.node(by, depth + 1, seen, text);
            }
            Node::PerCpu { base } => self.node(base, depth + 1, seen, text),
            Node::Scaled { of, .. } => self.node(of, depth + 1, seen, text),
            Node::Join(_) => {
                for &(join, operand) in self.follower.values.operands() {
                    if join == id {
                        let _ = writeln!(text, "{:1$}| {2:+#x}", "", depth * 2, operand.offset);
                        self.node(operand.node, depth + 1, seen, text);
                    }
                }
            }
            _ => {}
        }
    }
}
