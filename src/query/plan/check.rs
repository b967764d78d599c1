//! Every condition again, on the document that was read: a token can be copied by whoever writes the
//! database, and some conditions never reached it.

use crate::bytes::{FieldPath, FieldStep};
use crate::query::node::{Asked, Indexed, Node};
use crate::seal::{Cause, FieldFailure, Reveal, Walk, compound_holds, holds};
use crate::store::{Document, matches};

/// Whether a document fulfils a condition. The walk is that of the document.
///
/// # Errors
/// A field that decides does not open. Where others decide, it does not matter.
pub(crate) fn check(
    node: &Node,
    document: &Document,
    walk: &mut Walk<Reveal<'_>>,
) -> Result<bool, Vec<FieldFailure>> {
    match node {
        Node::All(nodes) => several(nodes, document, walk, false),
        Node::Any(nodes) => several(nodes, document, walk, true),
        Node::Clear(filter) => Ok(matches(filter, document)),
        Node::Indexed(indexed) => indexed.check(document, walk).map_err(|failure| vec![failure]),
        Node::Never | Node::Wrong(_) => Ok(false),
    }
}

/// One answer of `decides` is that of all together.
fn several(
    nodes: &[Node],
    document: &Document,
    walk: &mut Walk<Reveal<'_>>,
    decides: bool,
) -> Result<bool, Vec<FieldFailure>> {
    let mut failures = Vec::new();
    for node in nodes {
        match check(node, document, walk) {
            Ok(holds) if holds == decides => return Ok(decides),
            Ok(_) => {}
            Err(more) => failures.extend(more),
        }
    }
    if failures.is_empty() { Ok(!decides) } else { Err(failures) }
}

impl Indexed {
    fn check(&self, document: &Document, walk: &mut Walk<Reveal<'_>>) -> Result<bool, FieldFailure> {
        let failed = |at: &crate::query::At, cause: Cause| {
            let steps = at.path().into_iter().map(FieldStep::Key).collect();
            FieldFailure { field: FieldPath::new(steps), cause }
        };
        let open = |part: &crate::query::PartAt| {
            part.open(&document.fields, walk).map_err(|cause| failed(part.at(), cause))
        };
        let values = self.parts.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(match &self.asked {
            Asked::Field { info, probes } => {
                let value = values.into_iter().next().flatten();
                probes.iter().any(|probe| holds(probe, info, value.as_ref()))
            }
            Asked::Compound { info, probes } => {
                probes.iter().any(|parts| compound_holds(parts, info, &values))
            }
        })
    }
}
