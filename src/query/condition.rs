//! Conditions, and how they are joined.

use std::fmt;
use std::marker::PhantomData;

use super::node::Node;

/// A condition on documents of type `D`. `S` tells what it takes to ask it: [`InClear`] needs no key,
/// [`Keyed`] needs the index key.
#[must_use = "a condition does nothing until it is given to a query"]
pub struct Condition<D, S> {
    node: Node,
    kind: PhantomData<fn() -> (D, S)>,
}

/// Of conditions on clear fields alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InClear {}

/// Of conditions that ask an index of a sealed field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {}

/// What it takes to ask two conditions together: the index key, if either needs it.
pub trait Join<O> {
    /// [`InClear`] or [`Keyed`].
    type Both;
}

impl Join<InClear> for InClear {
    type Both = InClear;
}

impl Join<Keyed> for InClear {
    type Both = Keyed;
}

impl Join<InClear> for Keyed {
    type Both = Keyed;
}

impl Join<Keyed> for Keyed {
    type Both = Keyed;
}

impl<D, S> Condition<D, S> {
    pub(super) fn new(node: Node) -> Self {
        Self { node, kind: PhantomData }
    }

    /// The condition as a plain tree.
    #[allow(dead_code)] // For the planner, which follows.
    pub(crate) fn into_node(self) -> Node {
        self.node
    }

    /// Both hold.
    pub fn and<O>(self, other: Condition<D, O>) -> Condition<D, S::Both>
    where
        S: Join<O>,
    {
        let mut all = match self.node {
            Node::All(all) => all,
            node => vec![node],
        };
        match other.node {
            Node::All(more) => all.extend(more),
            node => all.push(node),
        }
        Condition::new(Node::All(all))
    }

    /// At least one of them holds.
    pub fn or<O>(self, other: Condition<D, O>) -> Condition<D, S::Both>
    where
        S: Join<O>,
    {
        let mut any = match self.node {
            Node::Any(any) => any,
            node => vec![node],
        };
        match other.node {
            Node::Any(more) => any.extend(more),
            node => any.push(node),
        }
        Condition::new(Node::Any(any))
    }
}

/// All of these hold; with none, every document does.
pub fn all<D, S>(conditions: impl IntoIterator<Item = Condition<D, S>>) -> Condition<D, S> {
    Condition::new(Node::All(conditions.into_iter().map(|condition| condition.node).collect()))
}

/// At least one of these holds; with none, no document does.
pub fn any<D, S>(conditions: impl IntoIterator<Item = Condition<D, S>>) -> Condition<D, S> {
    let any: Vec<_> = conditions.into_iter().map(|condition| condition.node).collect();
    Condition::new(if any.is_empty() { Node::Never } else { Node::Any(any) })
}

impl<D> From<Condition<D, InClear>> for Condition<D, Keyed> {
    fn from(condition: Condition<D, InClear>) -> Self {
        Self::new(condition.node)
    }
}

impl<D, S> Clone for Condition<D, S> {
    fn clone(&self) -> Self {
        Self::new(self.node.clone())
    }
}

impl<D, S> fmt::Debug for Condition<D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.fmt(f)
    }
}
