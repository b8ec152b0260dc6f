//! The text of a row in a price table: JSON with USD per million tokens in decimals.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::date::Date;
use super::decimal::{scaled, shown};
use super::listed::{Listed, TierPrice};
use super::rates::{Ladder, Rates, UNITS, Unit};
use super::ratio::Ratio;
use super::row::Window;

/// USD per million tokens -> 10^-18 USD per token, and USD -> pico-USD: both are twelve places.
const PLACES: u32 = 12;
const STEPS_MAX: usize = 4;

/// What is wrong with a row: the key, and what was expected.
pub type Fault = String;

type Object = Map<String, Value>;

impl Listed {
    pub fn read(text: &str) -> Result<Self, Fault> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let Value::Object(object) = value else { return Err("expected an object".to_owned()) };
        let mut row = Listed::default();
        for (key, value) in &object {
            row.member(key, value)?;
        }
        match row.id.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => {}
            _ => return Err("`id`: expected `PROVIDER/MODEL`".to_owned()),
        }
        if row.source.is_empty() || row.checked.is_none() {
            return Err("expected `source` and `checked`".to_owned());
        }
        match row.row() {
            Some(_) => Ok(row),
            None => Err("a rate that does not fit".to_owned()),
        }
    }

    fn member(&mut self, key: &str, value: &Value) -> Result<(), Fault> {
        match key {
            "id" => self.id = text(key, value)?,
            "region" => self.region = Some(text(key, value)?),
            "source" => self.source = text(key, value)?,
            "from" => self.from = Some(date(key, value)?),
            "to" => self.to = Some(date(key, value)?),
            "checked" => self.checked = Some(date(key, value)?),
            "above" => self.standard.steps = steps(key, value)?,
            "batch" => self.batch = Some(tier(key, value)?),
            "flex" => self.flex = Some(tier(key, value)?),
            "priority" => self.priority = Some(tier(key, value)?),
            "daily" => self.daily = daily(key, value)?,
            "fast" => self.fast = Some(ratio(key, value)?),
            "us" => self.us = Some(ratio(key, value)?),
            "eu" => self.eu = Some(ratio(key, value)?),
            "web_search" => self.web_search = Some(price(key, value)?),
            "search_unit" => self.search_unit = Some(price(key, value)?),
            "free" => self.free = value == &Value::Bool(true),
            "context" => self.context = Some(count(key, value)?),
            "output" => self.output_max = Some(count(key, value)?),
            "also" => {
                let Value::Array(items) = value else { return Err(expected(key, "a list")) };
                self.also = items.iter().map(|item| text(key, item)).collect::<Result<_, _>>()?;
            }
            _ => match unit(key) {
                Some(unit) => self.standard.base.set(unit, Some(price(key, value)?)),
                None => return Err(format!("unknown key `{key}`")),
            },
        }
        Ok(())
    }

    /// One line, without its end. Keys in a fixed order, so that two versions of a table compare well.
    pub fn line(&self) -> String {
        let mut out = format!("{{\"id\":{}", quoted(&self.id));
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(out, ",\"{key}\":{value}");
            }
        };
        let day = |date: &Option<Date>| date.map(|date| format!("\"{date}\""));
        put("region", self.region.as_deref().map(quoted));
        put("from", day(&self.from));
        put("to", day(&self.to));
        put_ladder(&mut put, &self.standard);
        for (key, tier) in [("batch", &self.batch), ("flex", &self.flex), ("priority", &self.priority)] {
            put(key, tier.as_ref().map(shown_tier));
        }
        put("daily", (!self.daily.is_empty()).then(|| shown_daily(&self.daily)));
        for (key, ratio) in [("fast", self.fast), ("us", self.us), ("eu", self.eu)] {
            put(key, ratio.map(Ratio::shown));
        }
        put("web_search", self.web_search.map(|price| shown(price, PLACES)));
        put("search_unit", self.search_unit.map(|price| shown(price, PLACES)));
        put("free", self.free.then(|| "true".to_owned()));
        put("also", (!self.also.is_empty()).then(|| Value::from(self.also.clone()).to_string()));
        put("context", self.context.map(|count| count.to_string()));
        put("output", self.output_max.map(|count| count.to_string()));
        put("source", Some(quoted(&self.source)));
        put("checked", day(&self.checked));
        out.push('}');
        out
    }
}

fn unit(key: &str) -> Option<Unit> {
    UNITS.into_iter().find(|unit| unit.key() == key)
}

fn expected(key: &str, what: &str) -> Fault {
    format!("`{key}`: expected {what}")
}

fn object<'v>(key: &str, value: &'v Value) -> Result<&'v Object, Fault> {
    value.as_object().ok_or_else(|| expected(key, "an object"))
}

fn text(key: &str, value: &Value) -> Result<String, Fault> {
    // The index of a table compares names as they are written.
    let plain = |text: &&str| !text.is_empty() && !text.contains(['"', '\\']) && !text.chars().any(char::is_control);
    value.as_str().filter(plain).map(str::to_owned).ok_or_else(|| expected(key, "a plain string"))
}

fn date(key: &str, value: &Value) -> Result<Date, Fault> {
    value.as_str().and_then(Date::parse).ok_or_else(|| expected(key, "a day such as \"2026-09-01\""))
}

fn count(key: &str, value: &Value) -> Result<u64, Fault> {
    value.as_u64().ok_or_else(|| expected(key, "a whole number"))
}

fn ratio(key: &str, value: &Value) -> Result<Ratio, Fault> {
    let ratio = value.as_number().and_then(|number| Ratio::parse(&number.to_string()));
    ratio.ok_or_else(|| expected(key, "a factor from 0 to 1000"))
}

fn price(key: &str, value: &Value) -> Result<i64, Fault> {
    let price = value.as_number().and_then(|number| scaled(&number.to_string(), PLACES as i32));
    price.filter(|price| *price >= 0).ok_or_else(|| expected(key, "a price in USD, not negative"))
}

fn rates(value: &Object, others: &[&str]) -> Result<Rates, Fault> {
    let mut rates = Rates::default();
    for (key, value) in value {
        match unit(key) {
            Some(unit) => rates.set(unit, Some(price(key, value)?)),
            None if others.contains(&key.as_str()) => {}
            None => return Err(format!("unknown key `{key}`")),
        }
    }
    Ok(rates)
}

fn steps(key: &str, value: &Value) -> Result<Vec<(u64, Rates)>, Fault> {
    let mut steps = Vec::new();
    for (above, value) in object(key, value)? {
        let above = above.parse().map_err(|_| expected(key, "numbers of tokens as keys"))?;
        steps.push((above, rates(object(key, value)?, &[])?));
    }
    steps.sort_by_key(|(above, _)| *above);
    if steps.len() > STEPS_MAX { Err(expected(key, "at most four steps")) } else { Ok(steps) }
}

fn tier(key: &str, value: &Value) -> Result<TierPrice, Fault> {
    let Value::Object(own) = value else { return ratio(key, value).map(TierPrice::Ratio) };
    let steps = own.get("above").map_or(Ok(Vec::new()), |value| steps("above", value))?;
    Ok(TierPrice::Own(Ladder { base: rates(own, &["above"])?, steps }))
}

fn daily(key: &str, value: &Value) -> Result<Vec<Window>, Fault> {
    let Value::Array(items) = value else { return Err(expected(key, "a list")) };
    let window = |value: &Value| {
        let value = object(key, value)?;
        let time = |key: &str| {
            let time = value.get(key).and_then(Value::as_str).and_then(second_of_day);
            time.ok_or_else(|| expected(key, "a time such as \"16:30\""))
        };
        Ok(Window { from_s: time("from")?, to_s: time("to")?, rates: rates(value, &["from", "to"])? })
    };
    items.iter().map(window).collect()
}

/// `16:30` or `16:30:00`, UTC.
pub fn second_of_day(text: &str) -> Option<u32> {
    let mut parts = text.split(':').map(|part| (part.len() == 2).then(|| part.parse::<u32>().ok()).flatten());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    (hour < 24 && minute < 60 && second < 60 && parts.next().is_none()).then_some((hour * 60 + minute) * 60 + second)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn put_ladder(put: &mut impl FnMut(&str, Option<String>), ladder: &Ladder) {
    for unit in UNITS {
        put(unit.key(), ladder.base.own(unit).map(|rate| shown(rate, PLACES)));
    }
    let step = |(above, rates): &(u64, Rates)| format!("\"{above}\":{}", shown_rates(rates, ""));
    let steps: Vec<String> = ladder.steps.iter().map(step).collect();
    put("above", (!steps.is_empty()).then(|| format!("{{{}}}", steps.join(","))));
}

fn shown_rates(rates: &Rates, before: &str) -> String {
    let one = |unit: Unit| Some(format!("\"{}\":{}", unit.key(), shown(rates.own(unit)?, PLACES)));
    let all: Vec<String> = UNITS.into_iter().filter_map(one).collect();
    format!("{{{before}{}}}", all.join(","))
}

fn shown_tier(tier: &TierPrice) -> String {
    match tier {
        TierPrice::Ratio(ratio) => ratio.shown(),
        TierPrice::Own(ladder) => {
            let mut parts = Vec::new();
            let mut put = |key: &str, value: Option<String>| {
                parts.extend(value.map(|value| format!("\"{key}\":{value}")));
            };
            put_ladder(&mut put, ladder);
            format!("{{{}}}", parts.join(","))
        }
    }
}

fn shown_daily(windows: &[Window]) -> String {
    let time = |second: u32| format!("\"{:02}:{:02}:{:02}\"", second / 3600, second / 60 % 60, second % 60);
    let window = |window: &Window| {
        let before = format!("\"from\":{},\"to\":{},", time(window.from_s), time(window.to_s));
        shown_rates(&window.rates, &before)
    };
    format!("[{}]", windows.iter().map(window).collect::<Vec<_>>().join(","))
}
