//! A login that may read nothing any more, while its objects are in step: every kind of reading is told of once, and tried
//! rarely.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    cases::{OBJECTS, SETS, STREAMS},
    stage::Stage,
    wire::Wrong,
};

/// Lines of the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// How often each line was written since the last time.
    fn lines(&self) -> BTreeMap<String, usize> {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        let mut lines = BTreeMap::new();
        for line in String::from_utf8_lossy(&text).lines() {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
        lines
    }
}

/// Hours that pass.
const HOURS: u64 = 6;
/// A listing every 256 seconds or more, and beside it, at the same path, one object's probe every five and a half minutes.
const AN_HOUR: usize = 26;

#[tokio::test(start_paused = true)]
async fn whatever_may_not_be_read_is_told_once_and_asked_for_rarely() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(log.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let refusals = [Wrong::Forbidden, Wrong::Answer(403, json!({"error_code": 1104, "message": "no"}))];
    for (cases, wrong) in
        [OBJECTS, STREAMS, SETS].iter().flat_map(|cases| refusals.iter().map(move |w| (cases, w)))
    {
        let stage = Stage::new().await;
        for case in *cases {
            stage.cluster.apply_a(case.kind, "a", (case.spec)());
        }
        for case in *cases {
            stage.ready(case.kind, "a").await;
        }
        stage.pass(60).await;
        log.lines();
        stage.wire.fail(|asked| asked.method == "GET", wrong.clone());
        stage.pass(HOURS * 3_600).await;
        let mut asked = BTreeMap::new();
        for one in stage.wire.struck() {
            *asked.entry((one.path.clone(), one.listens())).or_insert(0) += 1;
        }
        let often: Vec<_> =
            asked.iter().filter(|(_, times)| **times > AN_HOUR * usize::try_from(HOURS).unwrap()).collect();
        assert!(often.is_empty(), "{wrong}: asked in {HOURS} hours: {often:#?}");
        assert!(asked.len() > 1, "there is something to read besides the event log: {asked:#?}");
        let twice: Vec<_> = log.lines().into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "{wrong}: told more than once: {twice:#?}");
        for case in *cases {
            assert!(stage.is_ready(case.kind, "a"), "{} is in step as far as anybody knows", case.kind);
        }
        stage.stop().await;
    }
}
