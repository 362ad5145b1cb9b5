//! Where everything stands in a YAML document, so that what is wrong can be shown there.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned, options::DuplicateKeyPolicy};

/// A document with more parts than this is not read.
const MOST_NODES: usize = 20_000;

/// A place in a text; lines and columns are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

/// A part of a document.
#[derive(Debug)]
pub struct Node {
    /// Where it begins.
    pub at: Place,
    /// What it is.
    pub content: Content,
}

/// What a part of a document is.
#[derive(Debug)]
pub enum Content {
    /// A text, a number, a truth value or nothing.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys, where they stand, and their values.
    Map(Vec<(String, Place, Node)>),
}

/// What is looked for at a place: where a mapping begins, its first key begins as well, and where
/// a list begins, its first item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A key.
    Key,
    /// A single value; else a key.
    Scalar,
    /// A single value; else whatever stands there.
    Value,
}

impl Node {
    /// Reads a text; nothing, if there is nothing in it. Of keys that are given twice, both are
    /// kept: it is the policy's own reading that refuses them.
    pub fn read(text: &str) -> Result<Option<Self>, serde_saphyr::Error> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            // aliases of aliases grow without end, and no policy is that large
            budget: serde_saphyr::budget! { max_nodes: MOST_NODES },
        };
        let root: Option<Spanned<Content>> = serde_saphyr::from_str_with_options(text, options)?;
        Ok(root.map(Self::from))
    }

    /// Where a key stands (`namespaces[1].actions.restart_pod`), or what of it there is.
    pub fn place_of(&self, path: &str) -> Place {
        let mut place = self.at;
        self.walk(&mut |known, key, node| {
            let rest = path.strip_prefix(known);
            if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])) {
                place = key.unwrap_or(node.at);
            }
        });
        place
    }

    /// The path of what stands at a place, and what it is.
    pub fn find(&self, at: Place, wanted: Wanted) -> Option<(String, &Self)> {
        let (mut key_there, mut scalar_there, mut value_there) = (None, None, None);
        self.walk(&mut |path, key, node| {
            let found = || Some((path.to_owned(), node));
            if key == Some(at) && key_there.is_none() {
                key_there = found();
            }
            if node.at == at && matches!(node.content, Content::Scalar(_)) {
                scalar_there = scalar_there.take().or_else(found);
            } else if node.at == at {
                value_there = found(); // a list begins where its first item does
            }
        });
        match wanted {
            Wanted::Key => key_there,
            Wanted::Scalar => scalar_there.or(key_there),
            Wanted::Value => scalar_there.or(value_there).or(key_there),
        }
    }

    /// The text of a single value.
    pub fn scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    /// The keys of a mapping, and their values.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match &self.content {
            Content::Map(members) => members.as_slice(),
            Content::Scalar(_) | Content::List(_) => &[],
        };
        members.iter().map(|(key, _, node)| (key.as_str(), node))
    }

    /// What stands behind a key of a mapping.
    pub fn member(&self, wanted: &str) -> Option<&Self> {
        self.members()
            .find_map(|(key, node)| (key == wanted).then_some(node))
    }

    /// The items of a list.
    pub fn items(&self) -> &[Self] {
        match &self.content {
            Content::List(items) => items,
            Content::Scalar(_) | Content::Map(_) => &[],
        }
    }

    /// Goes through everything below, what is outside first: the path, the key's place, the value.
    fn walk<'a>(&'a self, look: &mut impl FnMut(&str, Option<Place>, &'a Self)) {
        self.walk_below("", look);
    }

    fn walk_below<'a>(&'a self, path: &str, look: &mut impl FnMut(&str, Option<Place>, &'a Self)) {
        match &self.content {
            Content::Scalar(_) => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    look(&path, None, item);
                    item.walk_below(&path, look);
                }
            }
            Content::Map(members) => {
                for (key, at, value) in members {
                    let path = match path {
                        "" => key.clone(),
                        path => format!("{path}.{key}"),
                    };
                    look(&path, Some(*at), value);
                    value.walk_below(&path, look);
                }
            }
        }
    }
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self {
            at: spanned.referenced.into(),
            content: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Scalar(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar("null".to_owned()))
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Content>>()? {
            items.push(item.into());
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Content, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = access.next_entry::<Spanned<String>, Spanned<Content>>()? {
            members.push((key.value, key.referenced.into(), value.into()));
        }
        Ok(Content::Map(members))
    }
}
