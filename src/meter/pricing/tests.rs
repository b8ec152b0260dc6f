//! Costs computed by hand, one case for everything that decides a price.

use proptest::prelude::*;

use super::*;
use crate::meter::{Billed, Modifiers, Tier};

const NOON: u64 = 1_783_598_400; // 2026-07-09 12:00:00 UTC
const USD: i64 = 1_000_000_000_000;

fn listed(text: &str) -> Listed {
    let text = format!("{{\"id\":\"p/m\",\"source\":\"test\",\"checked\":\"2026-07-01\",{text}}}");
    Listed::read(&text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn public(rows: &[&str]) -> Pricing {
    discounted(rows, Ratio::ONE)
}

fn discounted(rows: &[&str], discount: Ratio) -> Pricing {
    Pricing::of_rows(rows.iter().map(|row| listed(row).row().expect("a row")).collect(), discount, Geo::Global)
}

fn usage(input: u64, output: u64) -> Usage {
    Usage { input, output, source: UsageSource::Reported, ..Usage::default() }
}

fn tier(tier: Tier, usage: Usage) -> Usage {
    Usage { modifiers: Modifiers { tier, ..usage.modifiers }, ..usage }
}

/// claude-sonnet-4-5, litellm: cliff at 200k, cache writes of both kinds.
const SONNET: &str = r#""in":3,"read":0.3,"write_5m":3.75,"write_1h":6,"out":15,
    "above":{"200000":{"in":6,"read":0.6,"write_5m":7.5,"write_1h":12,"out":22.5}},"web_search":0.01"#;
/// gpt-5.4, litellm.
const GPT: &str = r#""in":2.5,"read":0.25,"out":15,"above":{"272000":{"in":5,"read":0.5,"out":22.5}},
    "batch":{"in":1.25,"out":7.5},"flex":0.5,"priority":{"in":5,"read":0.5,"out":30},"us":1.1,"eu":1.1"#;
/// claude-opus-4-6.
const OPUS: &str = r#""in":5,"read":0.5,"write_5m":6.25,"write_1h":10,"out":25,"fast":6,"us":1.1"#;
/// deepseek-chat, genai-prices.
const DEEPSEEK: &str = r#""in":0.135,"read":0.035,"out":0.55,
    "daily":[{"from":"00:30","to":"16:30","in":0.27,"read":0.07,"out":1.1}]"#;

#[test]
fn every_kind_of_token_has_its_price() {
    let writes = Usage { cache_read: 100_000, cache_write_5m: 10_000, cache_write_1h: 5_000, ..usage(150_000, 2_000) };
    let unsaid = Usage { cache_write: 1_000, ..usage(1_000, 0) };
    let sound = Usage { audio_input: 400, audio_output: 30, ..usage(1_000, 100) };
    let thought = Usage { reasoning: 600, ..usage(1_000, 1_000) };
    let image = Usage { image_input: 300, image_output: 1_000, ..usage(400, 1_000) };
    let audio_row = r#""in":2.5,"out":10,"audio_in":40,"audio_out":80"#;
    for (what, row, usage, pico) in [
        // 1000 * 3 + 500 * 15 = 10500 micro-USD.
        ("base", SONNET, usage(1_000, 500), 10_500_000_000),
        // 0.15 $/M: 7 * 0.15 + 3 * 0.6 = 2.85 micro-USD.
        ("base, small", r#""in":0.15,"out":0.6"#, usage(7, 3), 2_850_000),
        // (1000-400) * 2.5 + 400 * 0.25 + 10 * 15 = 1500 + 100 + 150.
        ("cached", GPT, Usage { cache_read: 400, ..usage(1_000, 10) }, 1_750_000_000),
        // plain 35000 * 3 + 100000 * 0.3 + 10000 * 3.75 + 5000 * 6 + 2000 * 15 = 105000+30000+37500+30000+30000.
        ("cache writes of 5 minutes and 1 hour", SONNET, writes, 232_500_000_000),
        // Of no said time-to-live: the 5 minutes' price.
        ("cache writes", SONNET, unsaid, 3_750_000_000),
        // Cached at the price of input where there is no other.
        ("inherited", r#""in":2,"out":4"#, Usage { cache_read: 500, ..usage(1_000, 0) }, 2_000_000_000),
        // 600 * 2.5 + 400 * 40 + 70 * 10 + 30 * 80 = 1500 + 16000 + 700 + 2400.
        ("audio", audio_row, sound, 20_600_000_000),
        ("audio at the price of text", r#""in":2.5,"out":10"#, sound, 3_500_000_000),
        // perplexity sonar-deep-research: 1000 * 2 + 400 * 8 + 600 * 3.
        ("reasoning", r#""in":2,"out":8,"reasoning":3"#, thought, 7_000_000_000),
        // 100 * 5 + 300 * 10 + 1000 * 40.
        ("image", r#""in":5,"image_in":10,"out":8,"image_out":40"#, image, 43_500_000_000),
        // An embedding has no output to price.
        ("embedding", r#""in":0.02"#, usage(1_000_000, 0), USD / 50),
        ("free", r#""free":true"#, usage(1_000, 1_000), 0),
        // Counts that contradict each other are cut to the whole: 100 cached at 0.3, nothing else.
        ("absurd", SONNET, Usage { cache_read: 900, cache_write_5m: 900, ..usage(100, 0) }, 30_000_000),
    ] {
        assert_eq!(public(&[row]).cost(&usage, NOON), Some(pico), "{what}");
    }
}

#[test]
fn a_long_request_costs_more_as_a_whole_just_above_the_cliff() {
    let pricing = public(&[SONNET]);
    let at = |input, cache_read| pricing.cost(&Usage { cache_read, ..usage(input, 1_000) }, NOON);
    // At 200000: 200000 * 3 + 1000 * 15 = 615000 micro-USD.
    assert_eq!(at(200_000, 0), Some(615_000_000_000));
    // One more: 200001 * 6 + 1000 * 22.5 = 1222506 micro-USD.
    assert_eq!(at(200_001, 0), Some(1_222_506_000_000));
    // Cached tokens count for the cliff: 1 * 6 + 200000 * 0.6 + 22500.
    assert_eq!(at(200_001, 200_000), Some(142_506_000_000));
    // Three steps: the highest that is passed.
    let steps = public(&[
        r#""in":1,"out":1,"above":{"256000":{"in":4,"out":4},"32000":{"in":2,"out":2},"128000":{"in":3,"out":3}}"#,
    ]);
    for (input, pico) in [(32_000, 32_000), (32_001, 64_002), (128_001, 384_003), (256_001, 1_024_004)] {
        assert_eq!(steps.cost(&usage(input, 0), NOON), Some(pico * 1_000_000));
    }
}

#[test]
fn the_service_tier_of_the_answer_decides() {
    let used = Usage { cache_read: 400, ..usage(1_000, 10) };
    let long = usage(300_000, 0);
    for (what, tier_, used, pico) in [
        // 600 * 1.25 + 400 * 0.125 (cached input follows input) + 10 * 7.5.
        ("batch", Tier::Batch, used, Some(875_000_000)),
        ("flex", Tier::Flex, used, Some(875_000_000)),
        // 600 * 5 + 400 * 0.5 + 10 * 30.
        ("priority", Tier::Priority, used, Some(3_500_000_000)),
        ("provisioned", Tier::Provisioned, used, None),
        // The cliff holds in every tier, in proportion where the list does not say: 300000 * 5 / 2, and * 2.
        ("batch, long", Tier::Batch, long, Some(750_000_000_000)),
        ("flex, long", Tier::Flex, long, Some(750_000_000_000)),
        ("priority, long", Tier::Priority, long, Some(3_000_000_000_000)),
    ] {
        assert_eq!(public(&[GPT]).cost(&tier(tier_, used), NOON), pico, "{what}");
    }
    // A tier that is not listed has no known price.
    assert_eq!(public(&[SONNET]).cost(&tier(Tier::Priority, usage(1, 1)), NOON), None);
    // A tier's own step: 300000 * 10.
    let own = public(&[
        r#""in":2.5,"out":15,"above":{"272000":{"in":5,"out":22.5}},"priority":{"in":5,"out":30,"above":{"272000":{"in":10}}}"#,
    ]);
    assert_eq!(own.cost(&tier(Tier::Priority, long), NOON), Some(3_000_000_000_000));
    // Its output, which the step does not say, in proportion: 1000 * 22.5 * 2.
    assert_eq!(own.cost(&tier(Tier::Priority, usage(300_000, 1_000)), NOON), Some(3_045_000_000_000));
}

#[test]
fn speed_and_place_multiply_tokens_and_calls_are_added() {
    let with = |fast, geo| Usage { modifiers: Modifiers { fast, geo, ..Modifiers::default() }, ..usage(1_000, 100) };
    let opus = public(&[OPUS]);
    // 1000 * 5 + 100 * 25 = 7500 micro-USD.
    for (what, usage, pico) in [
        ("plain", with(false, Geo::Global), Some(7_500_000_000)),
        ("fast", with(true, Geo::Global), Some(45_000_000_000)),
        ("us", with(false, Geo::Us), Some(8_250_000_000)),
        ("fast in the us", with(true, Geo::Us), Some(49_500_000_000)),
        ("a place without surcharge", with(false, Geo::Eu), Some(7_500_000_000)),
    ] {
        assert_eq!(opus.cost(&usage, NOON), pico, "{what}");
    }
    assert_eq!(public(&[SONNET]).cost(&with(true, Geo::Global), NOON), None, "no price for fast is known");
    // 1000 * 3 + 100 * 15 + 3 searches at a cent.
    let searched = Usage { web_searches: 3, ..usage(1_000, 100) };
    assert_eq!(public(&[SONNET]).cost(&searched, NOON), Some(34_500_000_000));
    assert_eq!(opus.cost(&searched, NOON), None, "no price for a search is known");
    let searched =
        Usage { web_searches: 1, modifiers: Modifiers { geo: Geo::Us, ..Modifiers::default() }, ..usage(1_000, 0) };
    let row = r#""in":5,"out":25,"us":1.1,"web_search":0.01"#;
    assert_eq!(public(&[row]).cost(&searched, NOON), Some(15_500_000_000), "searches have no surcharge");
}

#[test]
fn rows_hold_for_their_days() {
    let (intro, list) = (r#""in":2,"out":10,"to":"2026-09-01""#, r#""in":3,"out":15,"from":"2026-09-01""#);
    let pricing = public(&[intro, list]);
    let september = Date::parse("2026-09-01").expect("a day").unix_s();
    assert_eq!(pricing.cost(&usage(1, 0), september - 1), Some(2_000_000));
    assert_eq!(pricing.cost(&usage(1, 0), september), Some(3_000_000));
    assert_eq!(public(&[list]).cost(&usage(1, 0), september - 1), None, "nothing is known of before");
    assert!(public(&[list]).is_known(september) && !public(&[list]).is_known(september - 1));
}

#[test]
fn hours_of_the_day_have_their_price() {
    let pricing = public(&[DEEPSEEK]);
    let midnight = NOON - 12 * 3600;
    for (second, pico) in
        [(0, 135_000), (1799, 135_000), (1800, 270_000), (59_399, 270_000), (59_400, 135_000), (86_399, 135_000)]
    {
        assert_eq!(pricing.cost(&usage(1, 0), midnight + second), Some(pico), "{second}");
    }
    let over_midnight = public(&[r#""in":2,"out":4,"daily":[{"from":"22:00","to":"06:00","in":1}]"#]);
    for (hour, pico) in [(21, 6), (22, 5), (0, 5), (5, 5), (6, 6)] {
        assert_eq!(over_midnight.cost(&usage(1, 1), midnight + hour * 3600), Some(pico * 1_000_000), "{hour}");
    }
}

#[test]
fn what_a_provider_bills_outranks_its_tokens() {
    let billed = Billed { input: 5, output: 10, search_units: 0 };
    let command = public(&[r#""in":2.5,"out":10"#]);
    // 5 * 2.5 + 10 * 10, though the template made 208 tokens of input.
    let used = Usage { billed: Some(billed), ..usage(208, 10) };
    assert_eq!(command.cost(&used, NOON), Some(112_500_000));
    let searched = Usage { billed: Some(Billed { search_units: 3, ..Billed::default() }), ..usage(0, 0) };
    assert_eq!(public(&[r#""search_unit":0.002"#]).cost(&searched, NOON), Some(6_000_000_000));
    assert_eq!(command.cost(&searched, NOON), None);
}

#[test]
fn a_discount_comes_last_and_is_rounded_once() {
    let ratio = Ratio::discounted("7.5").expect("a discount");
    // 10500 micro-USD and a search at a cent, times 0.925.
    let used = Usage { web_searches: 1, ..usage(1_000, 500) };
    assert_eq!(discounted(&[SONNET], ratio).cost(&used, NOON), Some(18_962_500_000));
    // 1 * 0.000001 $/M = 1 pico-USD per token; a third of it is taken off 1 and 2 tokens.
    let third = Ratio::discounted("33.3333").expect("a discount");
    let tiny = discounted(&[r#""in":0.000001"#], third);
    assert_eq!((tiny.cost(&usage(1, 0), NOON), tiny.cost(&usage(2, 0), NOON)), (Some(1), Some(1)));
    let half = discounted(&[r#""in":0.000001"#], Ratio::discounted("50").expect("a discount"));
    assert_eq!((half.cost(&usage(1, 0), NOON), half.cost(&usage(2, 0), NOON)), (Some(1), Some(1)), "halves go up");
}

#[test]
fn what_is_not_known_is_none() {
    assert_eq!(public(&[]).cost(&usage(1, 1), NOON), None);
    assert_eq!(public(&[r#""in":2"#]).cost(&usage(1, 1), NOON), None, "output has no price");
    assert_eq!(public(&[r#""in":2"#]).cost(&usage(1, 0), NOON), Some(2_000_000), "and needs none here");
    assert_eq!(public(&[SONNET]).cost(&Usage::default(), NOON), None, "nothing was used");
    assert_eq!(public(&[r#""in":1000"#]).cost(&usage(u64::MAX, 0), NOON), None, "more money than there is");
}

#[test]
fn what_the_provider_says_fills_gaps_and_shows_drift() {
    let said = |cost| Usage { provider_cost_pico_usd: Some(cost), ..usage(1_000, 500) };
    let charge = public(&[]).charge(&said(123), NOON).expect("a cost");
    assert_eq!((charge.pico_usd, charge.source, charge.drifts()), (123, CostSource::Provider, false));
    for (reported, drifts) in [
        (10_500_000_000, false),
        (10_000_000_000, false),
        (9_999_999_999, true),
        (11_052_631_578, false),
        (11_052_631_579, true),
        (0, true),
    ] {
        let charge = public(&[SONNET]).charge(&said(reported), NOON).expect("a cost");
        assert_eq!((charge.pico_usd, charge.source), (10_500_000_000, CostSource::Public));
        assert_eq!(charge.drifts(), drifts, "{reported}");
    }
}

#[test]
fn a_private_cost_is_the_same_in_every_tier() {
    let rate = |text: &str, shift| scaled(text, shift).expect("a number");
    let cost = PerThousand {
        input: rate("0.0025", PER_THOUSAND),
        output: rate("0.01", PER_THOUSAND),
        cache_read: Some(rate("0.00125", PER_THOUSAND)),
        input_tiers: vec![TokenTier { from: 128_000, rate: rate("0.000005", PER_TOKEN) }],
        output_tiers: vec![TokenTier { from: 200_000, rate: rate("0.00002", PER_TOKEN) }],
        ..PerThousand::default()
    };
    let pricing = Pricing::private(PrivateCost::Tokens(cost));
    for (what, usage, pico) in [
        // 600 * 2.5 + 300 * 1.25 + 100 (written, at input's) * 2.5 + 10 * 10 micro-USD.
        ("cached", Usage { cache_read: 300, cache_write_5m: 100, ..usage(1_000, 10) }, 2_225_000_000),
        ("at the tier", usage(128_000, 1), 320_010_000_000),
        ("above it", usage(128_001, 1), 640_015_000_000),
        ("above both", usage(200_001, 1), 1_000_025_000_000),
        ("provisioned", tier(Tier::Provisioned, usage(1_000, 0)), 2_500_000_000),
        ("with a search", Usage { web_searches: 1, ..usage(1_000, 0) }, 2_500_000_000),
    ] {
        let charge = pricing.charge(&usage, NOON).expect("a cost");
        assert_eq!((charge.pico_usd, charge.source), (pico, CostSource::Private), "{what}");
    }
    let shown = "{metric: per_1000_tokens, value: {input: 0.0025, input_tiers: [{from: 128000, cost_per_token: 0.000005}], \
                 output: 0.01, output_tiers: [{from: 200000, cost_per_token: 0.00002}], cache_read: 0.00125}}";
    assert_eq!(pricing.shown(), shown);
    let embedding = Pricing::private(PrivateCost::EmbeddingTokens(rate("0.00002", PER_THOUSAND)));
    assert_eq!(embedding.cost(&usage(1_000_000, 0), NOON), Some(USD / 50));
    assert_eq!(embedding.shown(), "{metric: per_1000_embedding_tokens, value: 0.00002}");
}

/// The price of a row with a surcharge for place and a discount, each step as large as it can get.
fn by_the_book(rates: [i64; 2], place: Ratio, discount: Ratio, used: &Usage, search: i64) -> Option<i64> {
    let of = |rate: i64, count: u64| i128::from(rate).checked_mul(count.into());
    let [num, den, discount_num, discount_den] =
        [place.num(), place.den(), discount.num(), discount.den()].map(i128::from);
    let tokens = of(rates[0], used.input)?.checked_add(of(rates[1], used.output)?)?.checked_mul(num)?;
    let searches = of(search, used.web_searches.into())?.checked_mul(1_000_000)?.checked_mul(den)?;
    let sum = tokens.checked_add(searches)?.checked_mul(discount_num)?;
    let den = den * discount_den * 1_000_000;
    i64::try_from(sum.checked_add(den / 2)? / den).ok()
}

proptest! {
    #[test]
    fn small_sums_and_large_ones_come_to_the_same(
        sizes in [0_u32..63, 0..63, 0..64, 0..64, 0..43, 0..32],
        bits in any::<[u64; 6]>(),
        ratios in prop::sample::subsequence(vec!["1", "0.925", "0.333333", "1.1", "1000"], 2),
    ) {
        let of = |at: usize| bits[at] & ((1 << sizes[at]) - 1);
        let [place, discount] = [0, 1].map(|at| Ratio::parse(ratios[at]).expect("a ratio"));
        let (rates, search) = ([of(0) as i64, of(1) as i64], of(4) as i64);
        let mut row = row::Row { us: Some(place), web_search: Some(search), ..row::Row::default() };
        row.standard.base.set(rates::Unit::Input, Some(rates[0]));
        row.standard.base.set(rates::Unit::Output, Some(rates[1]));
        let used = Usage { web_searches: of(5) as u32, ..usage(of(2), of(3)) };
        for (geo, place) in [(Geo::Us, place), (Geo::Global, Ratio::ONE)] {
            for discount in [discount, Ratio::ONE] {
                let pricing = Pricing::of_rows(vec![row.clone()], discount, geo);
                let cost = pricing.cost(&used, NOON);
                prop_assert_eq!(cost, by_the_book(rates, place, discount, &used, search), "{:?} {:?}", used, rates);
                prop_assert_eq!(pricing.charge(&used, NOON).map(|charge| charge.pico_usd), cost);
            }
        }
    }
}
