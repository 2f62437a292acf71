-- The whole store. Times are unix milliseconds, minutes and days count from 1970-01-01T00:00Z, events are millionths.
-- A text that may be long is unique by its SHA-256, as on Postgres, where an index row has a largest size.
-- Tables are strict: a sum that leaves 64 bits would silently become a floating point number otherwise.

-- The one writer: whoever holds this row under its epoch may write; every write transaction share-locks it first.
create table lease (
    name text not null primary key,     -- always 'writer'
    holder text not null,               -- who it is, for people
    epoch integer not null,             -- grows with every holder, so that an old one is recognised
    expires_at integer not null         -- by the database's clock, which is the same for all who compete
) strict;

-- Small things worth knowing after a restart, each under its own name.
create table fact (
    name text not null primary key,
    value text not null
) strict;

-- An SLO by service and name; all that belongs to it hangs on the number, so that a rename is one update.
create table slo (
    id integer primary key autoincrement,
    service text not null,
    name text not null,
    indicator text not null,            -- the fingerprint of the present indicator
    indicator_loaded_at integer not null,-- since when it is this one: visits before it do not count for it
    created_at integer not null,
    removed_at integer,                 -- when it went from the files; its ledger stays for its return
    unique (service, name)
) strict;

-- One sequence of buckets: an SLO's own, or one of its groups'.
create table ledger_key (
    id integer primary key autoincrement,
    slo integer not null references slo (id) on delete cascade,
    group_labels text not null,         -- '' for the SLO itself, else pairs as JSON, whose escapes keep NUL out
    group_hash text not null,           -- SHA-256 of group_labels
    generation integer not null default 1, -- grows when the history begins anew
    created_at integer not null,
    unique (slo, group_hash, generation)
) strict;

-- The last text of every SLO file that loaded: it runs on when a newer one does not load.
create table spec_revision (
    file text not null primary key,
    hash text not null,
    text text not null,
    loaded_at integer not null
) strict;

-- A scraped endpoint: job and URL.
create table target (
    id integer primary key autoincrement,
    key text not null,
    key_hash text not null unique,      -- SHA-256 of key: URLs may be longer than an index row
    first_listed_at integer not null,   -- a target listed later than its SLO counts from its own beginning
    last_listed_at integer not null     -- to forget targets that nobody lists; exact to the hour
) strict;

create index target_last_listed_at on target (last_listed_at);

-- What a target is remembered by. It moves in the transaction that credits what was seen.
create table cursor (
    target integer primary key references target (id) on delete cascade,
    seq integer not null,               -- how many commits; whoever expects another number must read again
    header blob not null                -- opaque: the engine's
) strict;

-- The last values that an SLO saw at a target.
create table cursor_slo (
    target integer not null references target (id) on delete cascade,
    slo integer not null references slo (id) on delete cascade,
    state blob not null,                -- opaque: the engine's
    primary key (target, slo)
) strict;

create index cursor_slo_slo on cursor_slo (slo);

-- Recent minutes, added to by upsert, until their hour is packed.
create table loose (
    ledger_key integer not null,
    minute integer not null,
    shard integer not null default 0,   -- room for several writers of one minute; 0 so far
    total integer not null,
    good integer not null,              -- signed, as matched: only a window's sum is clamped
    observed integer not null,          -- 1 when a counted visit fell into the minute
    primary key (ledger_key, minute, shard)
) strict, without rowid;

-- Double entry: all credits, in the transaction that credits, against which the buckets are proved.
create table ledger_sum (
    ledger_key integer not null,
    shard integer not null default 0,
    total integer not null,
    good integer not null,
    base_total integer not null default 0, -- what was credited to buckets that are pruned by now
    base_good integer not null default 0,
    primary key (ledger_key, shard)
) strict, without rowid;

-- One day of one ledger key. A bucket's value is always packed + loose.
create table packed_day (
    ledger_key integer not null,
    day integer not null,
    total integer not null,             -- the sums of the day, for the proof
    good integer not null,
    hours blob not null,                -- 24 hour totals
    minutes blob not null,              -- the minutes; empty once their detail is pruned
    primary key (ledger_key, day)
) strict;

create index packed_day_day on packed_day (day);
create index packed_day_detail on packed_day (day) where length(minutes) > 0;

-- Where every alert stands.
create table alert_state (
    key_hash text not null primary key, -- SHA-256 of key: group labels may be long
    key text not null,
    body text not null                  -- JSON, the engine's
) strict;

-- Numbered changes of alerts, each taken into account by dispatch once.
create table transition (
    id integer primary key autoincrement,
    at integer not null,
    alert text not null,
    body text not null,                 -- JSON, the engine's
    consumed integer not null default 0 -- 1 when dispatch has decided what is owed for it
) strict;

create index transition_pending on transition (id) where consumed = 0;
create index transition_at on transition (at);

-- A conversation: one open per route and group key.
create table incident (
    id text not null primary key,
    group_key text not null,
    group_hash text not null,
    opened_at integer not null,
    closed_at integer,
    next_flush_at integer,
    body text not null                  -- JSON, the engine's
) strict;

create unique index incident_open on incident (group_hash) where closed_at is null;
create index incident_closed_at on incident (closed_at) where closed_at is not null;

-- The outbox: one message owed to one integration.
create table delivery (
    position integer primary key autoincrement, -- the order in which they became due
    id text not null unique,
    stream text not null,               -- messages of one stream go out in order, one at a time
    stream_hash text not null,
    receiver text not null,
    integration text not null,
    kind text not null,                 -- trigger, update, reminder, resolve
    state text not null,                -- ready, sending, delivered, dead, superseded
    attempts integer not null default 0,
    not_before integer not null,        -- when a ready one may go
    claim text,                         -- proves that it is ours while it is sent
    claim_until integer,                -- when a claim without an end is free again
    created_at integer not null,
    finished_at integer,
    last_error text,
    group_key text not null,
    slo text,
    message text not null               -- JSON: a retry says what the first try said
) strict;

create index delivery_open on delivery (stream_hash, position) where state in ('ready', 'sending');
create index delivery_owed on delivery (position) where state in ('ready', 'sending');
create index delivery_trigger on delivery (stream_hash, position) where kind = 'trigger';
create index delivery_finished_at on delivery (finished_at) where finished_at is not null;
create index delivery_dead on delivery (id) where state = 'dead';

-- Every try that came to an end.
create table delivery_attempt (
    delivery text not null,
    number integer not null,
    started_at integer not null,
    ended_at integer not null,
    outcome text not null,              -- delivered, retry, dead, interrupted
    error text
) strict;

create index delivery_attempt_delivery on delivery_attempt (delivery, number);
create index delivery_attempt_started_at on delivery_attempt (started_at);

-- What people asked not to hear for a while.
create table silence (
    id text not null primary key,
    matchers text not null,             -- JSON
    starts_at integer not null,
    ends_at integer not null,
    created_by text not null,
    comment text not null,
    updated_at integer not null
) strict;

create index silence_ends_at on silence (ends_at);
