//! Which of the two text formats a scraper is answered in.

/// A format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics`, which Prometheus asks for.
    OpenMetrics,
    /// Prometheus' own older format, for whoever asks for nothing or does not know the other.
    Text,
}

impl Format {
    /// The one that a header `Accept` prefers; of two that are wanted alike, `OpenMetrics`.
    pub fn negotiate(accept: &str) -> Self {
        let quality = |wanted: &[&str]| {
            let parts = accept.split(',').map(|part| part.split(';').map(str::trim));
            let of = parts.filter_map(|mut part| {
                let kind = part.next().filter(|kind| wanted.iter().any(|w| kind.eq_ignore_ascii_case(w)))?;
                let quality = part.find_map(|parameter| parameter.strip_prefix("q="));
                Some((kind, quality.map_or(1.0, |q| q.parse().unwrap_or(0.0))))
            });
            of.map(|(_, quality)| quality).fold(0.0_f64, f64::max)
        };
        let open = quality(&["application/openmetrics-text"]);
        if open > 0.0 && open >= quality(&["text/plain", "text/*", "*/*"]) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// What it is served as.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// An exposition in `OpenMetrics`, in this format. The older one knows no units and no end, and calls the family of a
    /// counter as its samples are called.
    pub(super) fn of(self, text: String) -> String {
        if self == Self::OpenMetrics {
            return text;
        }
        let lines = text.lines().filter(|line| !line.starts_with("# UNIT ") && *line != "# EOF");
        let counters: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
        lines.fold(String::with_capacity(text.len()), |mut out, line| {
            let described = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE "));
            match described.and_then(|rest| rest.split_once(' ')) {
                Some((family, rest)) if counters.contains(&family) => {
                    out.extend([&line[.."# HELP".len()], " ", family, "_total ", rest, "\n"]);
                }
                _ => {
                    out.push_str(line);
                    out.push('\n');
                }
            }
            out
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_the_format_that_it_asks_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("text/plain, application/openmetrics-text;q=0.2", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
        ] {
            assert_eq!(Format::negotiate(accept), format, "Accept: {accept}");
        }
    }

    #[test]
    fn in_the_older_format_a_counter_is_described_by_the_name_of_its_samples() {
        let open = "# HELP a_seconds Time\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{} 1.0\n\
                    # HELP b Things\n# TYPE b gauge\nb{} 2.0\n# EOF\n";
        let text = "# HELP a_seconds_total Time\n# TYPE a_seconds_total counter\na_seconds_total{} 1.0\n\
                    # HELP b Things\n# TYPE b gauge\nb{} 2.0\n";
        assert_eq!(Format::Text.of(open.into()), text);
        assert_eq!(Format::OpenMetrics.of(open.into()), open);
    }
}
