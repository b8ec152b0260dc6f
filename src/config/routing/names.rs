//! The names that stand for several targets, gathered before the documents are read: rules are checked against virtual
//! models below them, and permissions hold though a rule has a fault elsewhere. Notes no faults.

use crate::config::tree::{Node, Value};

#[derive(Default)]
pub(in crate::config) struct VirtualNames {
    groups: Vec<String>,
    /// `group/name`, and slugs.
    models: Vec<String>,
    /// What rules list under `when.models`.
    listed: Vec<String>,
}

impl VirtualNames {
    /// From a `provider-account/virtual-model` document.
    pub fn add_group(&mut self, document: &Node) {
        let Some(group) = document.text_of("name") else { return };
        self.groups.push(group.to_owned());
        for integration in items(document, "integrations") {
            let name = integration.text_of("name").map(|name| format!("{group}/{name}"));
            self.models.extend(name.into_iter().chain(integration.text_of("slug").map(str::to_owned)));
        }
    }

    /// From a `gateway-load-balancing-config` document.
    pub fn add_rules(&mut self, document: &Node) {
        for rule in items(document, "rules") {
            let models = rule.get("when").map_or(&[][..], |when| items(when, "models"));
            self.listed.extend(models.iter().filter_map(scalar).filter(|name| *name != "*").map(str::to_owned));
        }
    }

    pub fn is_virtual_model(&self, name: &str) -> bool {
        self.models.iter().any(|known| known == name)
    }

    pub fn virtual_models(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(String::as_str)
    }

    /// Whether a `provider-account/virtual-model` document has this name.
    pub fn is_group(&self, name: &str) -> bool {
        self.groups.iter().any(|known| known == name)
    }

    /// Whether a permission may say so: a name, or `group/*`.
    pub fn covers(&self, permission: &str) -> bool {
        let group = permission.strip_suffix("/*");
        group.is_some_and(|group| self.is_group(group)) || self.all().any(|known| known == permission)
    }

    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.models.iter().chain(&self.listed).map(String::as_str)
    }
}

fn scalar(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

fn items<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).and_then(Node::items).unwrap_or(&[])
}
