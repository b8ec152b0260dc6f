//! What routing adds to the totals: one series where a rule decided, the rest only where more than one attempt was made.
//! A request that one target answered without a rule does not come here.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;

use super::{Asked, Budget, ByRule, ByTarget, LABEL_BYTES_MAX, Routed, Store, Totals, label};
use crate::telemetry::path::{self, Choice, FirstMove, Step, StepKind};
use crate::telemetry::series::RoutedLabels;
use crate::telemetry::{ErrorClass, Record, verdict};

impl Totals {
    pub(super) fn observe_routing(&mut self, record: &Record) {
        let asked = Asked::of(record, &self.metadata_labels);
        if let Some(Choice { route, target, .. }) = path::choice(record) {
            let rule = label(&route.rule, LABEL_BYTES_MAX);
            let to = label(&target.fqn, LABEL_BYTES_MAX);
            let labels = RoutedLabels { rule: &*rule, from: "", to: &*to, reason: "" };
            count(&mut self.balanced, &asked, labels, &self.state, &mut self.budget);
        }
        if let Some(FirstMove { rule, from, to, why }) = path::first_move(record) {
            let rule = label(rule, LABEL_BYTES_MAX);
            let [from, to] = [from, &*to.target].map(|target| label(&target.fqn, LABEL_BYTES_MAX));
            let labels = RoutedLabels { rule: &*rule, from: &*from, to: &*to, reason: why.as_str() };
            count(&mut self.fallbacks, &asked, labels, &self.state, &mut self.budget);
        }
        if record.attempts.len() < 2 {
            return;
        }
        for step in path::steps(record).filter(Step::is_move) {
            let rule = label(step.rule, LABEL_BYTES_MAX);
            let reason = step.error().map_or("", ErrorClass::as_str);
            let [from, to] = [step.from, step.to].map(|attempt| label(&attempt.target.fqn, LABEL_BYTES_MAX));
            let labels = RoutedLabels { rule: &*rule, from: &*from, to: &*to, reason };
            count(&mut self.fallbacks, &asked, labels, &self.state, &mut self.budget);
        }
        self.observe_targets(record);
        self.observe_rule(record);
    }

    fn observe_targets(&mut self, record: &Record) {
        for step in path::steps(record).filter(|step| step.kind == StepKind::Retry) {
            self.target(&step.to.target.fqn).retries.count(step.error());
        }
        let Some((_, earlier)) = record.attempts.split_last() else { return };
        for attempt in earlier.iter().filter(|attempt| attempt.error != Some(ErrorClass::HedgeLost)) {
            if let Some(cost) = attempt.cost_pico_usd {
                self.target(&attempt.target.fqn).failed_cost_pico_usd += cost;
            }
        }
    }

    fn observe_rule(&mut self, record: &Record) {
        for step in path::steps(record).filter(|step| step.kind == StepKind::Hedge || step.is_rescue()) {
            let series = self.rule(step.rule);
            match step.kind {
                // The one that failed last is not the answer of anybody.
                StepKind::Hedge if step.is_last && verdict::attempt_error(step.to).is_none() => series.hedges_won += 1,
                StepKind::Hedge => series.hedges_lost += 1,
                _ => series.stream_rescues.count((step.to.reason.as_str(), verdict::attempt_error(step.to).is_none())),
            }
        }
        let losers = record.attempts.iter().filter(|attempt| attempt.error == Some(ErrorClass::HedgeLost));
        let hedge_cost: i64 = losers.filter_map(|attempt| attempt.cost_pico_usd).sum();
        if hedge_cost != 0 {
            self.rule(path::rule(record)).hedge_cost_pico_usd += hedge_cost;
        }
        if let Some(how) = path::rescue(record) {
            let rule = path::steps(record).last().map_or("", |step| step.rule);
            self.rule(rule).add_rescue(how, path::added_ns(record));
        }
    }

    fn rule(&mut self, rule: &str) -> &mut ByRule {
        let rule = &*label(rule, LABEL_BYTES_MAX);
        let hash = self.state.hash_one(rule);
        self.rules.slot(hash, &mut self.budget, |known| *known.rule == *rule, || ByRule::new(rule))
    }

    fn target(&mut self, fqn: &str) -> &mut ByTarget {
        let fqn = &*label(fqn, LABEL_BYTES_MAX);
        let hash = self.state.hash_one(fqn);
        self.targets.slot(hash, &mut self.budget, |known| *known.target == *fqn, || ByTarget::new(fqn))
    }
}

fn count(
    store: &mut Store<Routed>,
    asked: &Asked<'_>,
    labels: RoutedLabels<&str>,
    state: &RandomState,
    budget: &mut Budget,
) {
    let same = |known: &Routed| known.labels.borrow() == labels && asked.is(&known.caller);
    if let Some(series) = store.recent(same) {
        series.count += 1;
        return;
    }
    let mut hasher = state.build_hasher();
    labels.hash(&mut hasher);
    asked.hash_into(&mut hasher);
    let make = || Routed { caller: asked.own(), labels: labels.own(), count: 0 };
    store.slot(hasher.finish(), budget, same, make).count += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::fixture;
    use crate::telemetry::totals::{OTHER, SERIES_PER_FAMILY_MAX, Series};

    fn observed(records: impl IntoIterator<Item = Record>) -> Totals {
        let mut totals = Totals::default();
        records.into_iter().for_each(|record| totals.observe(&record));
        totals
    }

    fn routed(store: &Store<Routed>) -> Vec<(&str, &str, &str, &str, &str, u64)> {
        let all = store.iter().map(|(series, _)| {
            let RoutedLabels { rule, from, to, reason } = series.labels.borrow();
            (&*series.caller.model, rule, from, to, reason, series.count)
        });
        all.collect()
    }

    #[test]
    fn what_no_rule_decided_and_one_target_answered_leaves_no_trace_here() {
        let totals =
            observed([fixture::stream(), fixture::refused(), fixture::cancelled(), fixture::failed_attempts()]);
        assert!(routed(&totals.balanced).is_empty() && routed(&totals.fallbacks).is_empty());
        assert_eq!((totals.rules.iter().count(), totals.targets.iter().count()), (0, 0));
    }

    #[test]
    fn a_rule_counts_its_first_choice_and_every_move_its_reason() {
        let totals = observed([fixture::fallback(), fixture::hedged(), fixture::fallback(), fixture::rescued()]);
        let (openai, claude, mistral) = ("openai-main/gpt-4o-mini", "claude/claude-sonnet-5", "mistral/mistral-small");
        let (slow, fast) = ("slow/gpt-4o-mini", "fast/gpt-4o-mini");
        assert_eq!(
            routed(&totals.balanced),
            [
                (claude, "chat", "", openai, "", 2),
                (fast, "split", "", slow, "", 1),
                (mistral, "fast", "", openai, "", 1)
            ]
        );
        assert_eq!(
            routed(&totals.fallbacks),
            [
                (claude, "last-resort", openai, claude, "overloaded", 2),
                (mistral, "fast", openai, claude, "truncated", 1),
                (mistral, "fast", claude, mistral, "bad_request", 1),
            ]
        );
    }

    /// Each move is booked on the rule that made it, where a routing rule and a fallback rule both acted.
    #[test]
    fn every_move_is_booked_on_its_own_rule() {
        let totals = observed([fixture::twice_moved()]);
        let moves: Vec<_> = routed(&totals.fallbacks)
            .into_iter()
            .map(|(_, rule, from, to, _, count)| (rule, from, to, count))
            .collect();
        let [openai, azure, claude, mistral] =
            ["openai-main/gpt-4o-mini", "azure/gpt-4o-mini", "claude/claude-sonnet-5", "mistral/mistral-small"];
        assert_eq!(
            moves,
            [("chat", openai, azure, 1), ("last-resort", azure, claude, 1), ("last-resort", claude, mistral, 1)]
        );
    }

    /// What was sent elsewhere at once is a move of the fallback rule, after the routing's choice where it made one.
    #[test]
    fn what_was_diverted_is_a_move_of_the_fallback_rule() {
        let (openai, claude) = ("openai-main/gpt-4o-mini", "claude/claude-sonnet-5");
        let chosen = [(claude, "chat", "", openai, "", 1)];
        for (record, chosen) in
            [(fixture::diverted(), &chosen[..]), (Record { routing: None, ..fixture::diverted() }, &[][..])]
        {
            let totals = observed([record]);
            assert_eq!(routed(&totals.balanced), chosen);
            assert_eq!(routed(&totals.fallbacks), [(claude, "last-resort", openai, claude, "overloaded", 1)]);
            assert_eq!(totals.rules.iter().count(), 0, "nothing had failed");
        }
    }

    #[test]
    fn a_hedge_that_fails_last_has_not_won() {
        let mut record = fixture::hedged();
        record.outcome = crate::telemetry::Outcome::Failed;
        for attempt in &mut record.attempts {
            attempt.error = Some(ErrorClass::Server);
        }
        let totals = observed([record]);
        let counted: Vec<_> = totals.rules.iter().map(|(rule, _)| (rule.hedges_won, rule.hedges_lost)).collect();
        assert_eq!(counted, [(0, 1)]);
    }

    #[test]
    fn retries_hedges_and_rescues_are_counted_with_what_they_cost() {
        let totals = observed([fixture::fallback(), fixture::hedged(), fixture::rescued()]);
        let targets: Vec<_> = totals
            .targets
            .iter()
            .map(|(series, _)| {
                let retries: Vec<_> = series.retries.iter().map(|(error, &count)| (error, count)).collect();
                (&*series.target, retries, series.failed_cost_pico_usd)
            })
            .collect();
        let retries = vec![(Some(ErrorClass::RateLimited), 1)];
        assert_eq!(targets, [("openai-main/gpt-4o-mini", retries, 100_000_000)]);

        let rule =
            |name: &str| totals.rules.iter().map(|(rule, _)| rule).find(|rule| *rule.rule == *name).expect("has it");
        let split = rule("split");
        assert_eq!((split.hedges_won, split.hedges_lost, split.hedge_cost_pico_usd), (1, 0, 50_000_000));
        assert_eq!(split.rescued.iter().count(), 0, "nothing had failed");
        let rescues: Vec<_> = rule("fast").stream_rescues.iter().map(|(key, &count)| (key, count)).collect();
        assert_eq!(rescues, [(("continue", false), 1), (("restart", true), 1)]);
        let added = |name| {
            let rescued = rule(name).rescued.iter();
            rescued.map(|(how, added)| (how.as_str(), added.count(), added.sum())).collect::<Vec<_>>()
        };
        assert_eq!(added("last-resort"), [("fallback", 1, 0.15)]);
        assert_eq!(added("fast"), [("stream", 1, 0.021)]);
    }

    /// Every pico-USD is that of the delivered attempt, of a failed one, or of a hedge.
    #[test]
    fn the_parts_of_the_cost_are_the_whole() {
        let records = [fixture::stream(), fixture::fallback(), fixture::hedged(), fixture::rescued()];
        let delivered: i64 = records.iter().filter_map(|record| record.attempts.last()?.cost_pico_usd).sum();
        let totals = observed(records);
        let spent: i64 = totals.gateway.iter().map(|(series, _)| series.cost_pico_usd).sum();
        let attempts: i64 = totals.client.iter().map(|(series, _)| series.cost_pico_usd).sum();
        let failed: i64 = totals.targets.iter().map(|(series, _)| series.failed_cost_pico_usd).sum();
        let hedges: i64 = totals.rules.iter().map(|(series, _)| series.hedge_cost_pico_usd).sum();
        assert_eq!((spent, attempts), (delivered + failed + hedges, spent));
    }

    #[test]
    fn rules_over_budget_fold_and_sums_stay_right() {
        let count = SERIES_PER_FAMILY_MAX + 3;
        let record = |at: usize| {
            let mut record = fixture::fallback();
            record.attempts.iter_mut().for_each(|attempt| attempt.by_fallback_rule = false);
            record.routing =
                record.routing.map(|route| crate::telemetry::Route { rule: at.to_string().into(), ..route });
            record
        };
        let totals = observed((0..count).map(record));
        let mut merged = Totals::default();
        merged.merge(&totals);
        for totals in [&totals, &merged] {
            for store in [&totals.balanced, &totals.fallbacks] {
                let (last, over_budget) = store.iter().last().expect("has series");
                assert!(over_budget && *last.labels.rule == *OTHER && last.same_labels(&Routed::other()));
                assert_eq!(store.iter().map(|(series, _)| series.count).sum::<u64>(), count as u64);
                assert_eq!(store.folded, 3);
            }
            let rescued = totals.rules.iter().flat_map(|(rule, _)| rule.rescued.iter());
            assert_eq!(rescued.map(|(_, added)| added.count()).sum::<u64>(), count as u64);
        }
    }
}
