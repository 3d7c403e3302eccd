//! What is logged, as it is typed.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Text that is no list of levels; the sentence says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a level (off, error, warn, info, debug, trace) nor a list like info,emnify=debug")]
pub struct NoLevels(pub String);

/// A filter of log lines. A word that is no level would otherwise be taken for a part of the program, and silence all others.
pub fn filter(text: &str) -> Result<EnvFilter, NoLevels> {
    let wrong = || NoLevels(text.to_owned());
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let sound = |word: &str| word.contains(['=', '[']) || word.parse::<LevelFilter>().is_ok();
    if text.trim().is_empty() || !words.clone().all(sound) {
        return Err(wrong());
    }
    // the library repeats what we say ourselves, with every field, each time that it tries
    let asked = |word: &str| word.starts_with("kube") || ["debug", "trace"].contains(&word);
    let quiet = (!words.clone().any(asked)).then_some("kube_runtime::watcher=error");
    EnvFilter::try_new(quiet.into_iter().chain(words).collect::<Vec<_>>().join(",")).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_does_not_say_again_what_we_say() {
        let quiet = |text: &str| filter(text).unwrap().to_string().contains("kube_runtime::watcher=error");
        assert!(quiet("info") && quiet("info,emnify=debug"));
        assert!(!quiet("debug") && !quiet("info,kube_runtime=warn"), "unless somebody asks for it");
    }

    #[test]
    fn a_misspelt_level_does_not_silence_everything() {
        for text in ["info", "OFF", "info,emnify=debug", " warn , emnify_engine=trace "] {
            assert!(filter(text).is_ok(), "{text} is fine");
        }
        for text in ["", "loud", "info,emnify=loud", "emnify", "info,debgu"] {
            assert!(filter(text).is_err(), "{text} is refused");
        }
    }
}
