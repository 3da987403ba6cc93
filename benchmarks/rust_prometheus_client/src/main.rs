//! As ../client_golang, with Rust's prometheus-client: a family of gauges for each name, with labels as pairs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, Write as _};
use std::time::Instant;

use flate2::{write::GzEncoder, Compression};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;

type Number = Gauge<f64, std::sync::atomic::AtomicU64>;
type Labels = Vec<(String, String)>;

fn main() {
    let file = std::env::args().nth(1).expect("a file");
    let (registry, gauges) = read(&std::fs::read_to_string(file).expect("text"));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a command");
        match line.split_once(' ') {
            Some(("change", every)) => {
                let every: usize = every.parse().expect("a number");
                if every > 0 {
                    gauges.iter().step_by(every).for_each(|gauge| {
                        gauge.inc();
                    });
                }
                println!("ok");
            }
            _ if line == "dump" => {
                let mut dumped = String::new();
                for byte in body(&registry, false) {
                    write!(dumped, "{byte:02x}").expect("memory");
                }
                println!("{dumped}");
            }
            _ => {
                let began = Instant::now();
                let size = body(&registry, line == "gzip").len();
                println!("{} {size}", began.elapsed().as_nanos());
            }
        }
    }
}

fn body(registry: &Registry, compressed: bool) -> Vec<u8> {
    let mut text = String::new();
    encode(&mut text, registry).expect("memory");
    if !compressed {
        return text.into_bytes();
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).expect("memory");
    packed.finish().expect("memory")
}

/// A gauge of each sample, because the library has no constant histograms.
fn read(text: &str) -> (Registry, Vec<Number>) {
    let mut families: BTreeMap<String, Family<Labels, Number>> = BTreeMap::new();
    let mut gauges = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels: Labels = labels
            .trim_end_matches('}')
            .split("\",")
            .filter_map(|pair| pair.split_once("=\""))
            .map(|(name, value)| (name.to_string(), value.trim_end_matches('"').to_string()))
            .collect();
        let gauge = families.entry(name.to_string()).or_default().get_or_create(&labels).clone();
        gauge.set(value.parse().unwrap_or(f64::INFINITY));
        gauges.push(gauge);
    }
    let mut registry = Registry::default();
    for (name, family) in families {
        registry.register(name, "Help", family);
    }
    (registry, gauges)
}
