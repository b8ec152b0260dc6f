//! Where the list prices of one account come from.

use std::sync::Arc;

use super::{Pricing, Ratio, Table};
use crate::meter::Geo;

/// One per account.
#[derive(Clone, Debug)]
pub struct PriceList {
    pub table: Arc<Table>,
    /// What is paid of list prices.
    pub discount: Ratio,
}

impl PriceList {
    /// The list prices of a model of an account of this kind; `None` for kinds whose models have none anywhere. A
    /// model that is not in the table has a pricing too: its provider may say what an answer cost.
    pub fn pricing(&self, kind: &str, host: &str, region: Option<&str>, model_id: &str) -> Option<Pricing> {
        if matches!(kind, "self-hosted-model" | "ollama" | "mock") {
            return None;
        }
        let mut listed = self.table.find(kind, model_id, region);
        // One resource serves both.
        if listed.is_empty() && matches!(kind, "azure-openai" | "azure-foundry") {
            let other = if kind == "azure-openai" { "azure-foundry" } else { "azure-openai" };
            listed = self.table.find(other, model_id, region);
        }
        let rows = listed.iter().filter_map(|listed| listed.row()).collect();
        // OpenAI's regional hosts have a surcharge that its answers do not tell.
        let geo = match host {
            "eu.api.openai.com" => Geo::Eu,
            "us.api.openai.com" => Geo::Us,
            _ => Geo::Global,
        };
        Some(Pricing::of_rows(rows, self.discount, geo))
    }
}

impl Default for PriceList {
    fn default() -> Self {
        Self { table: Table::embedded(), discount: Ratio::ONE }
    }
}
