//! The file `firestore.indexes.json` of the Firebase tools.

use serde_json::{Map, Value, json};

use super::error::IndexFileError;
use super::file::IndexFile;
use super::model::{Composite, Mode, Path, Single, notation};

impl IndexFile {
    /// The content of a `firestore.indexes.json`, sorted and indented: the same for the same types.
    ///
    /// The Firebase tools put a field's path into an address as it is, so they do not take a name that has
    /// `/`, `\`, `?` or `#`; neither do they take an indexed field with a dot in its name, whose entry under
    /// `_seal` has a backslash. The `firestore` crate's index management takes them.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The keys stand in the alphabet's order here, as serde_json has them unless told otherwise.
        text(&json!({
            "fieldOverrides": self.overrides().collect::<Vec<_>>(),
            "indexes": self.composites.iter().map(composite).collect::<Vec<_>>(),
        }))
    }

    /// The content of a `firestore.indexes.json` with these indexes added. All that is there stays, at its
    /// place: also an index of a sealed field, and what a type no longer needs. An empty text counts as a
    /// file without indexes.
    ///
    /// # Errors
    /// The text is not such a file, or has comments.
    pub fn merge_into(&self, existing: &str) -> Result<String, IndexFileError> {
        if existing.trim().is_empty() {
            return Ok(self.to_json());
        }
        let mut root: Value =
            serde_json::from_str(existing).map_err(|source| IndexFileError::Syntax { source })?;
        let members = object(&mut root, || "it".to_owned())?;
        let indexes = list(members, "indexes", "indexes")?;
        for (at, index) in indexes.iter_mut().enumerate() {
            object(index, || format!("indexes[{at}]"))?;
        }
        for ours in &self.composites {
            if !indexes.iter().any(|index| is_same(index, ours)) {
                indexes.push(composite(ours));
            }
        }
        let fields = list(members, "fieldOverrides", "fieldOverrides")?;
        for (at, field) in fields.iter_mut().enumerate() {
            object(field, || format!("fieldOverrides[{at}]"))?;
        }
        for ((group, path), ours) in &self.overrides {
            let (at, theirs) = match fields.iter().position(|field| is_of(field, group, path)) {
                None => {
                    fields.push(field(group, path, []));
                    (fields.len() - 1, fields.last_mut())
                }
                Some(at) => (at, fields.get_mut(at)),
            };
            let part = format!("fieldOverrides[{at}]");
            let Some(theirs) = theirs else { continue };
            let theirs = list(object(theirs, || part.clone())?, "indexes", &format!("{part}.indexes"))?;
            for index in ours {
                if !theirs.iter().any(|their| is_single(their, *index)) {
                    theirs.push(single(*index));
                }
            }
        }
        Ok(text(&root))
    }

    fn overrides(&self) -> impl Iterator<Item = Value> {
        self.overrides.iter().map(|((group, path), indexes)| field(group, path, indexes.iter().copied()))
    }
}

fn text(value: &Value) -> String {
    format!("{value:#}\n")
}

fn composite(index: &Composite) -> Value {
    let fields = index.fields.iter().map(|(path, mode)| {
        let (property, value) = mode.property();
        // `arrayConfig` and `order` on both sides of `fieldPath`: in the alphabet's order either way.
        match mode {
            Mode::Contains => json!({ property: value, "fieldPath": notation(path) }),
            Mode::Ascending | Mode::Descending => json!({ "fieldPath": notation(path), property: value }),
        }
    });
    json!({
        "collectionGroup": index.group,
        "fields": fields.collect::<Vec<_>>(),
        "queryScope": index.scope.name(),
    })
}

fn field(group: &str, path: &Path, indexes: impl IntoIterator<Item = Single>) -> Value {
    json!({
        "collectionGroup": group,
        "fieldPath": notation(path),
        "indexes": indexes.into_iter().map(single).collect::<Vec<_>>(),
    })
}

fn single(index: Single) -> Value {
    let (property, value) = index.mode.property();
    json!({ property: value, "queryScope": index.scope.name() })
}

fn object(
    value: &mut Value,
    part: impl FnOnce() -> String,
) -> Result<&mut Map<String, Value>, IndexFileError> {
    value.as_object_mut().ok_or_else(|| IndexFileError::Shape { part: part(), expected: "an object" })
}

/// The list under a name; an empty one where there is nothing.
fn list<'a>(
    members: &'a mut Map<String, Value>,
    name: &str,
    part: &str,
) -> Result<&'a mut Vec<Value>, IndexFileError> {
    let value = members.entry(name).or_insert_with(|| json!([]));
    value.as_array_mut().ok_or_else(|| IndexFileError::Shape { part: part.to_owned(), expected: "an array" })
}

/// Whether an index of a file is one of ours. `collectionId` and `mode` are the names that the Firebase tools
/// still read from old files.
fn is_same(index: &Value, ours: &Composite) -> bool {
    let group = index.get("collectionGroup").or_else(|| index.get("collectionId"));
    let scope = index.get("queryScope").map_or(Some("COLLECTION"), Value::as_str);
    let any_api = index.get("apiScope").is_none_or(|scope| scope == "ANY_API");
    let Some(fields) = index.get("fields").and_then(Value::as_array) else { return false };
    let fields: Option<Vec<_>> = fields.iter().map(mode_of).collect();
    let Some(mut fields) = fields else { return false };
    // The document's name may be written out in its own direction.
    if let [.., (_, before), (path, name)] = fields.as_slice() {
        let implied = if *before == Mode::Contains { Mode::Ascending } else { *before };
        if path == "__name__" && *name == implied {
            fields.pop();
        }
    }
    let same = fields.iter().eq(ours
        .fields
        .iter()
        .map(|(path, mode)| (notation(path), *mode))
        .collect::<Vec<_>>()
        .iter());
    group.is_some_and(|group| *group == ours.group) && scope == Some(ours.scope.name()) && any_api && same
}

/// A field of an index of a file: its path in the one notation, and its mode; `None` for a vector.
fn mode_of(field: &Value) -> Option<(String, Mode)> {
    let path = field.get("fieldPath")?.as_str()?;
    let mode = field.get("order").or_else(|| field.get("mode")).or_else(|| field.get("arrayConfig"))?;
    let mode = match mode.as_str()? {
        "ASCENDING" => Mode::Ascending,
        "DESCENDING" => Mode::Descending,
        "CONTAINS" | "ARRAY_CONTAINS" => Mode::Contains,
        _ => return None,
    };
    Some((names(path).map_or_else(|| path.to_owned(), |names| notation(&names)), mode))
}

/// Whether an override of a file is about this field.
fn is_of(field: &Value, group: &str, path: &Path) -> bool {
    let written = field.get("fieldPath").and_then(Value::as_str).and_then(names);
    field.get("collectionGroup").is_some_and(|theirs| theirs == group) && written.as_ref() == Some(path)
}

/// Whether an index in an override of a file is this one.
fn is_single(index: &Value, ours: Single) -> bool {
    let (property, value) = ours.mode.property();
    let scope = index.get("queryScope").map_or(Some("COLLECTION"), Value::as_str);
    index.get(property).is_some_and(|theirs| theirs == value) && scope == Some(ours.scope.name())
}

/// The names of a path in Firestore's notation; `None` where it is not in it.
fn names(path: &str) -> Option<Path> {
    let mut names = Vec::new();
    let mut rest = path.chars().peekable();
    loop {
        let mut name = String::new();
        if rest.next_if_eq(&'`').is_some() {
            loop {
                match rest.next()? {
                    '`' => break,
                    '\\' => name.push(rest.next()?),
                    char => name.push(char),
                }
            }
        } else {
            while let Some(char) = rest.next_if(|char| !matches!(char, '.' | '`')) {
                name.push(char);
            }
        }
        if name.is_empty() {
            return None;
        }
        names.push(name);
        match rest.next() {
            None => return Some(names),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}
