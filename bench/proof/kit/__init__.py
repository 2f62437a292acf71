"""What the proofs share: a target that logs its pages, the daemon, a Postgres cluster, a proxy, sinks."""
