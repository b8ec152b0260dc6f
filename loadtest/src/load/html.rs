//! The report as one HTML page with its plots drawn in place: nothing is loaded from anywhere, and there is no script.

use super::{
    Measured,
    report::Report,
    stats::{BUCKET, Hist},
};
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 16.0;
const RIGHT: f64 = 16.0;
const COLORS: [&str; 4] = ["#1f6feb", "#d1622b", "#2a9d5c", "#8250df"];

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    color: &'static str,
    dashed: bool,
}

pub fn page(report: &Report, measured: &[Measured]) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>sluice load</title><style>\
         body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;color:#1f2328}\
         h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}pre{background:#f6f8fa;padding:1rem;overflow-x:auto;font-size:13px}\
         svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#57606a}.grid{stroke:#d8dee4;stroke-width:1}</style>",
    );
    let _ = write!(out, "<h1>sluice load</h1><pre>{}</pre>", escape(&report.text()));
    let stream = report.load.stream;
    out.push_str(&percentiles("Total time by percentile, ms", measured, |one| &one.stats.total));
    if stream {
        out.push_str(&percentiles("Time to first event by percentile, ms", measured, |one| &one.stats.ttft));
        out.push_str(&percentiles("Time between events by percentile, ms", measured, |one| &one.stats.gap));
    }
    let rate = if stream { "Events per second" } else { "Requests per second" };
    out.push_str(&timeline(rate, measured, |bucket, lines| {
        let n = if stream { bucket.events } else { bucket.done };
        lines[0] = (n > 0).then(|| n as f64 / BUCKET.as_secs_f64());
    }));
    let what = if stream { "Time to first event over time" } else { "Total time over time" };
    out.push_str(&timeline(&format!("{what}, ms: p50 solid, p99 dashed"), measured, |bucket, lines| {
        if !bucket.latency.is_empty() {
            lines[0] = Some(bucket.latency.value_at_quantile(0.5) as f64 / 1e3);
            lines[1] = Some(bucket.latency.value_at_quantile(0.99) as f64 / 1e3);
        }
    }));
    out.push_str("</html>\n");
    out
}

/// x is the number of nines, y milliseconds.
fn percentiles(title: &str, measured: &[Measured], pick: impl Fn(&Measured) -> &Hist) -> String {
    let lines = measured.iter().zip(COLORS).map(|(one, color)| {
        let hist = pick(one);
        let nines_max = (hist.len().max(10) as f64).log10().min(5.0);
        let points = (0..=100).map(|step| {
            let nines = nines_max * step as f64 / 100.0;
            (nines, hist.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64 / 1e6)
        });
        Line { name: one.target.name.to_owned(), points: points.collect(), color, dashed: false }
    });
    let label = |nines: f64| match nines.round() as i64 {
        0 => "min".to_owned(),
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        n => format!("p99.{}", "9".repeat(n as usize - 2)),
    };
    chart(title, &lines.collect::<Vec<_>>(), 1.0, true, label)
}

fn timeline(title: &str, measured: &[Measured], read: impl Fn(&super::stats::Bucket, &mut [Option<f64>; 2])) -> String {
    let mut lines = Vec::new();
    for (one, color) in measured.iter().zip(COLORS) {
        let mut pair = [Vec::new(), Vec::new()];
        for (index, bucket) in &one.stats.timeline {
            let mut values = [None, None];
            read(bucket, &mut values);
            for (points, value) in pair.iter_mut().zip(values) {
                points.extend(value.map(|v| (*index as f64 * BUCKET.as_secs_f64(), v)));
            }
        }
        for (dashed, points) in pair.into_iter().enumerate().filter(|(_, points)| !points.is_empty()) {
            lines.push(Line { name: one.target.name.to_owned(), points, color, dashed: dashed == 1 });
        }
    }
    let last = lines.iter().flat_map(|line| &line.points).map(|p| p.0).fold(1.0, f64::max);
    chart(title, &lines, step(last), false, |seconds| format!("{seconds:.0} s"))
}

/// A round distance between grid lines, for about six of them.
fn step(span: f64) -> f64 {
    let rough = span.max(1e-9) / 6.0;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|s| *s >= rough).unwrap_or(rough)
}

/// The y axis: what is drawn from bottom to top, and where its grid lines are.
struct Axis {
    low: f64,
    high: f64,
    grid: Vec<f64>,
    log: bool,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64> + Clone, log: bool) -> Axis {
        let top = values.clone().fold(0.0, f64::max);
        if log {
            // Whole decades; nothing is faster than a microsecond.
            let least = values.filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min).max(1e-3);
            let high = top.max(1e-2).log10().ceil();
            let low = least.log10().floor().min(high - 1.0);
            let grid = (low as i32..=high as i32).map(f64::from).collect();
            return Axis { low, high, grid, log };
        }
        let step = step(top);
        let lines = (top / step).ceil().max(1.0);
        Axis { low: 0.0, high: lines * step, grid: (0..=lines as u32).map(|n| n as f64 * step).collect(), log }
    }

    fn y(&self, value: f64) -> f64 {
        let value = if self.log { value.max(1e-9).log10().max(self.low) } else { value };
        self.place(value)
    }

    fn place(&self, at: f64) -> f64 {
        HEIGHT - BOTTOM - (at - self.low) / (self.high - self.low) * (HEIGHT - BOTTOM - TOP)
    }

    fn label(&self, at: f64) -> String {
        let value = if self.log { 10f64.powf(at) } else { at };
        match value {
            0.0 => "0".to_owned(),
            v if v < 0.1 => format!("{v:.3}"),
            v if v < 10.0 => format!("{v:.1}"),
            v => format!("{v:.0}"),
        }
    }
}

fn chart(title: &str, lines: &[Line], x_step: f64, log: bool, x_label: impl Fn(f64) -> String) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let x_max = all().map(|p| p.0).fold(x_step, f64::max);
    let axis = Axis::new(all().map(|p| p.1), log);
    let x = |value: f64| LEFT + value / x_max * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| axis.y(value);
    let mut out = format!("<h2>{}</h2><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">", escape(title));
    for at in &axis.grid {
        let (place, text) = (axis.place(*at), axis.label(*at));
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{place:.1}\" y2=\"{place:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            place + 4.0
        );
    }
    let mut value = 0.0;
    while value <= x_max * 1.001 {
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(value),
            HEIGHT - BOTTOM + 18.0,
            escape(&x_label(value))
        );
        value += x_step;
    }
    for (index, line) in lines.iter().enumerate() {
        let points: Vec<String> = line.points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
        let dash = if line.dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        let (points, color) = (points.join(" "), line.color);
        let _ =
            write!(out, "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.6\"{dash} points=\"{points}\"/>");
        if !line.dashed {
            let at = LEFT + 10.0 + 90.0 * index as f64;
            let _ = write!(
                out,
                "<text x=\"{at}\" y=\"{}\" style=\"fill:{color}\">{}</text>",
                HEIGHT - 4.0,
                escape(&line.name)
            );
        }
    }
    out.push_str("</svg>");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
