//! Every metric, defined and documented in one place: an entry of [`METRICS`] is all there is to a metric.
//!
//! Labels take values from small, fixed sets, or one per workspace, organisation or allowed host; never one per object.

use emnify::Lane;

use super::{
    Metric, Pace, counter, gauge, histogram,
    read::{
        code, each_count, each_lane, each_month, each_month_used, each_named, each_objects, each_used,
        each_window, flag, seconds, small, timestamp, whole,
    },
};
use crate::{kinds::common::group, push};

/// Every metric.
pub const METRICS: &[Metric] = &[
    // The process.
    gauge("build_info", "Version of the operator that answers; always 1", &["version"], |_, put| {
        put(&[env!("CARGO_PKG_VERSION")], 1.0);
    }),
    counter(
        "events_dropped",
        "Kubernetes Events that were given up: the API server did not take them in time, or too many Normal ones came at once",
        &[],
        |now, put| put(&[], whole(now.engine.counts.dropped_events)),
    ),
    gauge("kubernetes_silent", "Time since anything was heard from the API server", &[], |now, put| {
        now.hearing.iter().for_each(|hearing| put(&[], hearing.silent.as_secs_f64()));
    })
    .seconds(),
    counter(
        "kubernetes_given_up",
        "Requests to the API server, and watches of it, that were given up because it was silent",
        &[],
        |now, put| now.hearing.iter().for_each(|hearing| put(&[], whole(hearing.given_up))),
    ),
    gauge(
        "crd_skew",
        "Fields that differ between the cluster's definition of a kind and this operator's; 0: same version",
        &["kind"],
        |now, put| now.skew.iter().for_each(|(kind, fields)| put(&[kind], small(*fields))),
    ),
    gauge(
        "namespace_unserved",
        "Namespaces of `--namespaces` that are gone or forbidden, each with 1; the others are served",
        &["watched_namespace"],
        |now, put| now.unserved.iter().for_each(|namespace| put(&[namespace], 1.0)),
    ),
    // Requests to emnify.
    counter(
        "requests",
        "Requests sent to emnify, by route, HTTP status (0: no answer) and lane",
        &["host", "method", "route", "status", "lane"],
        |now, put| each_count(now, &mut |labels, count| put(labels, whole(count.requests))),
    ),
    counter(
        "request_duration",
        "Time that those requests took together, waiting for a turn not included",
        &["host", "method", "route", "status", "lane"],
        |now, put| each_count(now, &mut |labels, count| put(labels, count.duration.as_secs_f64())),
    )
    .seconds(),
    counter(
        "unreadable_rows",
        "Rows of emnify's listings, tables and event log that could not be read and were left out",
        &["host", "route"],
        |now, put| {
            for host in &now.hosts {
                host.unread.iter().for_each(|(route, rows)| put(&[&host.host, route], whole(*rows)));
            }
        },
    ),
    gauge(
        "window_available",
        "Requests that a limit allows at once: of the IP address, of logins, of a class of operations per organisation",
        &["host", "window", "organisation"],
        |now, put| each_window(now, &mut |labels, (available, _)| put(labels, available)),
    ),
    gauge(
        "window_burst",
        "Requests that the limit ever allows at once",
        &["host", "window", "organisation"],
        |now, put| each_window(now, &mut |labels, (_, burst)| put(labels, burst)),
    ),
    gauge("turns_waiting", "Requests that wait for the limits of a host", &["host", "lane"], |now, put| {
        for host in &now.hosts {
            each_lane(&host.limits.waiting, |lane, n| put(&[&host.host, lane], small(*n)));
        }
    }),
    gauge(
        "door_closed",
        "How long the host wants to be left alone after a 429 or 503; 0: not at all",
        &["host"],
        |now, put| {
            for host in &now.hosts {
                put(&[&host.host], host.limits.closed_for.as_secs_f64());
            }
        },
    )
    .seconds(),
    gauge(
        "month_requests",
        "Requests of the calendar month (UTC) by lane, those before a restart included",
        &["host", "organisation", "lane"],
        |now, put| {
            each_month(now, &mut |host, organisation, month| {
                for (lane, n) in Lane::ALL.into_iter().zip(month.ledger.lanes) {
                    put(&[host, organisation, lane.as_str()], whole(n));
                }
            });
        },
    ),
    gauge(
        "month_limit",
        "Requests that the workspace's share of the monthly quota allows",
        &["host", "organisation"],
        |now, put| {
            each_month(now, &mut |host, organisation, month| put(&[host, organisation], whole(month.limit)));
        },
    ),
    gauge(
        "month_held",
        "Whether the monthly quota holds requests up: 0 no, 1 what can wait is slowed down, 2 nothing is sent",
        &["host", "organisation"],
        |now, put| {
            each_month(now, &mut |host, organisation, month| {
                let held = match month.pace {
                    Pace::Free => 0.0,
                    Pace::Slowed => 1.0,
                    Pace::Spent => 2.0,
                };
                put(&[host, organisation], held);
            });
        },
    ),
    // Queues.
    gauge(
        "queue_length",
        "Objects that wait to be sent or read in emnify",
        &["organisation", "lane"],
        |now, put| {
            for session in &now.sessions {
                each_lane(&session.queued, |lane, n| put(&[&session.organisation, lane], small(*n)));
            }
        },
    ),
    gauge(
        "queue_oldest_age",
        "How long the object that has waited longest to be sent or read waits; 0: none waits",
        &["organisation", "lane"],
        |now, put| {
            for session in &now.sessions {
                each_lane(&session.oldest, |lane, age| {
                    put(&[&session.organisation, lane], age.as_secs_f64());
                });
            }
        },
    )
    .seconds(),
    histogram(
        "queue_wait",
        "Time from an object's place in the queue to its turn",
        &["lane"],
        |now, put| now.engine.counts.wait_time.iter().for_each(|(lane, times)| put(&[lane.as_str()], times)),
    )
    .seconds(),
    histogram(
        "queue_answer",
        "Time from an object's place in the queue to the end of its call",
        &["lane"],
        |now, put| now.engine.counts.answer_time.iter().for_each(|(lane, times)| put(&[lane.as_str()], times)),
    )
    .seconds(),
    // Looks at objects.
    counter(
        "reconciles",
        "Looks at objects, by the step that was decided and the reason it tells",
        &["kind", "step", "reason"],
        |now, put| {
            for (outcome, n) in &now.engine.counts.looks {
                put(&[outcome.kind, outcome.step, outcome.reason], whole(*n));
            }
        },
    ),
    histogram(
        "reconcile_duration",
        "Time from a look at an object to its decision and the end of what Kubernetes had to be told",
        &["kind"],
        |now, put| now.engine.counts.look_time.iter().for_each(|(kind, times)| put(&[kind], times)),
    )
    .seconds(),
    histogram(
        "time_to_ready",
        "Time from the making or an edit of an object until emnify is as it says",
        &["kind"],
        |now, put| now.engine.counts.ready_time.iter().for_each(|(kind, times)| put(&[kind], times)),
    )
    .seconds(),
    counter(
        "drift",
        "Objects that differ from emnify though nobody edited them (found), and that do no longer (corrected)",
        &["kind", "outcome"],
        |now, put| {
            for ((kind, drift), n) in &now.engine.counts.drift {
                put(&[kind, drift.as_str()], whole(*n));
            }
        },
    ),
    // Objects in Kubernetes.
    gauge(
        "resources",
        "Kubernetes objects, by status and reason of their condition Ready",
        &["kind", "ready", "reason"],
        |now, put| {
            each_objects(now, &mut |objects| {
                for ((ready, reason), n) in &objects.ready {
                    put(&[objects.kind, ready, reason], small(*n));
                }
            });
        },
    ),
    gauge(
        "stuck_deletions",
        "Kubernetes objects that are being deleted for more than ten minutes",
        &["kind"],
        |now, put| each_objects(now, &mut |objects| put(&[objects.kind], small(objects.stuck))),
    ),
    gauge(
        "soonest_expiry_timestamp",
        "When the first of the objects of a kind ends that is not renewed before: ApplicationTokens without rotation",
        &["kind"],
        |now, put| {
            each_objects(now, &mut |objects| {
                if let Some(at) = objects.expires {
                    put(&[objects.kind], timestamp(at));
                }
            });
        },
    )
    .seconds(),
    gauge(
        "workspace_token_expiry_timestamp",
        "When the token (JWT) that a workspace works with ends; it is renewed before",
        &["kind", "workspace_namespace", "workspace"],
        |now, put| {
            for workspace in &now.workspaces {
                if let Some(at) = workspace.token_expires {
                    put(&[workspace.kind, &workspace.namespace, &workspace.name], timestamp(at));
                }
            }
        },
    )
    .seconds(),
    // Organisations.
    gauge(
        "credential_expiry_timestamp",
        "When the application token that the operator logs in with ends, where it ends and is known",
        &["organisation"],
        |now, put| {
            for session in &now.sessions {
                if let Some(at) = session.credential_expires {
                    put(&[&session.organisation], timestamp(at));
                }
            }
        },
    )
    .seconds(),
    gauge(
        "guard_tripped",
        "Whether the guard of an organisation holds back changes that would disturb many devices",
        &["organisation"],
        |now, put| now.sessions.iter().for_each(|s| put(&[&s.organisation], flag(s.guard_tripped))),
    ),
    gauge(
        "organisation_blocked",
        "Whether emnify says that it blocks an organisation, so that no device has service",
        &["organisation"],
        |now, put| now.sessions.iter().for_each(|s| put(&[&s.organisation], flag(s.blocked))),
    ),
    gauge(
        "login_restricted",
        "Whether emnify does not allow a login of an organisation what its objects need",
        &["organisation"],
        |now, put| now.sessions.iter().for_each(|s| put(&[&s.organisation], flag(s.restricted))),
    ),
    gauge(
        "tail_lag",
        "How far behind emnify's clock the event log was read",
        &["organisation"],
        |now, put| {
            for session in &now.sessions {
                if let Some(lag) = session.tail_lag {
                    put(&[&session.organisation], lag.as_secs_f64());
                }
            }
        },
    )
    .seconds(),
    gauge(
        "listing_age",
        "Time since the last complete listing of a kind began",
        &["organisation", "kind"],
        |now, put| {
            for session in &now.sessions {
                for kind in &session.kinds {
                    put(&[&session.organisation, kind.kind], seconds(now.now.duration_since(kind.listed_at)));
                }
            }
        },
    )
    .seconds(),
    gauge("objects", "Objects in emnify, by kind", &["organisation", "kind"], |now, put| {
        for session in &now.sessions {
            for kind in &session.kinds {
                put(&[&session.organisation, kind.kind], small(kind.objects));
            }
        }
    }),
    gauge(
        "devices",
        "Devices by connectivity; Unknown: neither heard of nor read since the operator started",
        &["organisation", "connectivity"],
        |now, put| each_named(now, group::CONNECTIVITY, put),
    ),
    gauge(
        "devices_by_country",
        "Devices that a network carries, by country",
        &["organisation", "country"],
        |now, put| each_named(now, group::COUNTRY, put),
    ),
    gauge(
        "devices_by_rat",
        "Devices that a network carries, by radio technology",
        &["organisation", "rat"],
        |now, put| each_named(now, group::RAT, put),
    ),
    gauge("sims", "SIMs by state, where SIMs are listed", &["organisation", "state"], |now, put| {
        each_named(now, group::SIM, put);
    }),
    gauge(
        "data_streams",
        "Data streams by state, where an object has them listed; Error: emnify cannot deliver",
        &["organisation", "state"],
        |now, put| each_named(now, group::DATA_STREAM, put),
    ),
    gauge(
        "cloud_connects",
        "Cloud Connect attachments by state, where an object has them listed",
        &["organisation", "state"],
        |now, put| each_named(now, group::CLOUD_CONNECT, put),
    ),
    // What organisations use and pay, read twice an hour.
    gauge(
        "usage_data_megabytes",
        "Data of the devices of an organisation in the present and the last calendar month, both directions",
        &["organisation", "month"],
        |now, put| {
            each_month_used(now, &mut |organisation, month, used| {
                used.data.iter().filter_map(|of| of.volume).for_each(|volume| put(&[organisation, month], volume));
            });
        },
    ),
    gauge(
        "usage_sms",
        "Messages of the devices of an organisation in the present and the last calendar month, both directions",
        &["organisation", "month"],
        |now, put| {
            each_month_used(now, &mut |organisation, month, used| {
                used.sms.iter().filter_map(|of| of.volume).for_each(|volume| put(&[organisation, month], volume));
            });
        },
    ),
    gauge(
        "usage_cost",
        "What that traffic costs, where emnify says so: not with inclusive volumes",
        &["organisation", "month", "traffic", "currency"],
        |now, put| {
            each_month_used(now, &mut |organisation, month, used| {
                for (traffic, of) in [("data", &used.data), ("sms", &used.sms)] {
                    let Some((of, cost)) = of.as_ref().and_then(|of| Some((of, of.cost?))) else { continue };
                    put(&[organisation, month, traffic, code(of.currency.as_ref())], cost);
                }
            });
        },
    ),
    gauge(
        "chargeable_sims",
        "SIMs that cost the organisation something this month",
        &["organisation"],
        |now, put| {
            each_used(now, &mut |organisation, stats, _| {
                stats.active_chargeable_sims.iter().for_each(|sims| put(&[organisation], *sims));
            });
        },
    ),
    gauge(
        "prepaid_balance",
        "What is left of the amount paid in advance, where there is one",
        &["organisation", "currency"],
        |now, put| {
            each_used(now, &mut |organisation, stats, _| {
                let balance = stats.prepaid_balance.as_ref();
                if let Some((balance, amount)) = balance.and_then(|balance| Some((balance, balance.amount?))) {
                    put(&[organisation, code(balance.currency.as_ref())], amount);
                }
            });
        },
    ),
    gauge("usage_read_timestamp", "When usage and cost were read last", &["organisation"], |now, put| {
        each_used(now, &mut |organisation, _, at| put(&[organisation], timestamp(at)));
    })
    .seconds(),
    gauge(
        "scrub_pieces",
        "Quotas, blocklists, profile details, rate zones and first-time connectivity that are read in slow rotation",
        &["organisation"],
        |now, put| now.sessions.iter().for_each(|s| put(&[&s.organisation], small(s.scrub.pieces))),
    ),
    gauge(
        "scrub_rotation",
        "How old such a piece may become until it is read again",
        &["organisation"],
        |now, put| now.sessions.iter().for_each(|s| put(&[&s.organisation], s.scrub.rotation.as_secs_f64())),
    )
    .seconds(),
    // Triggers.
    counter("triggers_fired", "Operations that triggers made", &[], |now, put| {
        put(&[], whole(now.engine.counts.triggers_fired));
    }),
    counter("triggers_dropped", "Devices that triggers left out because of maxTargetsPerHour", &[], |now, put| {
        put(&[], whole(now.engine.counts.triggers_dropped));
    }),
    // Replicas.
    gauge("leader", "Whether this process leads its shard: 1, or 0 while it stands by", &[], |now, put| {
        now.lead.iter().for_each(|lead| put(&[], f64::from(u8::from(lead.leads))));
    }),
    counter("lease_transitions", "How often the lease of the shard changed hands, as last seen", &[], |now, put| {
        now.lead.iter().for_each(|lead| put(&[], whole(lead.transitions)));
    }),
    // The receiver of data streams.
    counter(
        "push_requests",
        "Requests of data streams, by result: accepted, or why not",
        &["result"],
        |now, put| {
            let Some(push) = &now.push else { return };
            put(&["accepted"], whole(push.requests));
            for (why, count) in push::Outcome::ALL.iter().zip(push.refused) {
                put(&[why.as_str()], whole(count));
            }
        },
    ),
    counter("push_records", "Records in accepted requests of data streams", &[], |now, put| {
        if let Some(push) = &now.push {
            put(&[], whole(push.records));
        }
    }),
    counter(
        "sms_received",
        "Callbacks about SMS that were taken: messages of devices, and receipts of messages to them",
        &["kind"],
        |now, put| {
            let Some(sms) = &now.sms else { return };
            put(&["message"], whole(sms.messages));
            put(&["receipt"], whole(sms.receipts));
        },
    ),
    counter("sms_refused", "Callbacks about SMS that were refused, by reason", &["reason"], |now, put| {
        let Some(sms) = &now.sms else { return };
        for (why, count) in push::sms::Refused::ALL.iter().zip(sms.refused) {
            put(&[why.as_str()], whole(count));
        }
    }),
];
