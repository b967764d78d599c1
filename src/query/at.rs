//! Where a field is stored.

use crate::seal::{Reveal, Walk};
use crate::store::{Fields, Value, ValueType};

/// How many paths are given for a field whose steps have aliases.
const MAX_PATHS: usize = 64;

/// The stored path of a field: names from the document's root, each with the other names under which it
/// is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    name: &'static str,
    aliases: &'static [&'static str],
}

impl At {
    /// The document itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// One field deeper.
    #[must_use]
    pub fn key(&self, name: &'static str, aliases: &'static [&'static str]) -> Self {
        let mut steps = self.steps.clone();
        steps.push(Step { name, aliases });
        Self { steps }
    }

    /// Whether it is the document itself.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.steps.is_empty()
    }

    /// The path under which the field is written.
    #[must_use]
    pub fn path(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.name.to_owned()).collect()
    }

    /// Every path under which the field is read, the one that is written first; at most 64.
    #[must_use]
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = vec![Vec::new()];
        for step in &self.steps {
            let names = || std::iter::once(&step.name).chain(step.aliases);
            let longer = |name: &&str| {
                let longer = paths.iter().map(|path| [path.as_slice(), &[(*name).to_owned()]].concat());
                longer.collect::<Vec<_>>()
            };
            paths = names().flat_map(longer).take(MAX_PATHS).collect();
        }
        paths
    }

    /// The field's value in a document, under whichever of its names; the one that is written first.
    pub(super) fn find<'a>(&self, fields: &'a Fields) -> Option<&'a Value> {
        let (last, parents) = self.steps.split_last()?;
        let mut fields = fields;
        for step in parents {
            match &step.find(fields)?.value_type {
                Some(ValueType::MapValue(map)) => fields = &map.fields,
                _ => return None,
            }
        }
        last.find(fields)
    }

    /// Takes a walk to the field.
    pub(super) fn walk<R>(
        &self,
        walk: &mut Walk<Reveal<'_>>,
        inner: impl FnOnce(&mut Walk<Reveal<'_>>) -> R,
    ) -> R {
        let (mut inner, mut result) = (Some(inner), None);
        descend(&self.steps, walk, &mut |walk| result = inner.take().map(|inner| inner(walk)));
        result.expect("a descent ends in one call")
    }
}

impl Step {
    fn find<'a>(&self, fields: &'a Fields) -> Option<&'a Value> {
        std::iter::once(&self.name).chain(self.aliases).find_map(|name| fields.get(*name))
    }
}

fn descend(steps: &[Step], walk: &mut Walk<Reveal<'_>>, inner: &mut dyn FnMut(&mut Walk<Reveal<'_>>)) {
    match steps {
        [] => inner(walk),
        [step, rest @ ..] => {
            walk.key_read(step.name, step.aliases, |walk| descend(rest, walk, inner));
        }
    }
}
