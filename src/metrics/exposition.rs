//! The two text formats of a scrape. Metrics are written as OpenMetrics and rewritten on demand.
//!
//! Prometheus' older format (0.0.4) names a counter's family with its `_total`, knows no `info`
//! type, no `# UNIT` and no `# EOF`.

/// How a scrape is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Prometheus,
    /// OpenMetrics text 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What the client asked for: OpenMetrics only where it names it.
    pub fn negotiate(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Rewrites OpenMetrics text as Prometheus text.
pub(super) fn to_prometheus(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, text)) = help.take() {
                help_line(&mut out, "HELP", name, suffix, text);
            }
            help_line(&mut out, "TYPE", name, suffix, kind);
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn help_line(out: &mut String, what: &str, name: &str, suffix: &str, rest: &str) {
    for part in ["# ", what, " ", name, suffix, " ", rest, "\n"] {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_get_their_old_names() {
        let open = "# HELP a Things.\n# TYPE a counter\na_total{x=\"1\"} 2\n\
                    # HELP b Who.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                    # HELP c_bytes Size.\n# TYPE c_bytes gauge\n# UNIT c_bytes bytes\nc_bytes 3\n# EOF\n";
        assert_eq!(
            to_prometheus(open),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\"} 2\n\
             # HELP b_info Who.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
             # HELP c_bytes Size.\n# TYPE c_bytes gauge\nc_bytes 3\n"
        );
    }

    #[test]
    fn only_who_asks_gets_open_metrics() {
        let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
        assert_eq!(Format::negotiate(accept), Format::OpenMetrics);
        assert_eq!(Format::negotiate("*/*"), Format::Prometheus);
    }
}
