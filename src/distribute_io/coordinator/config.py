"""The coordinator's configuration: one frozen, documented, bounded object.

Precedence, highest first: command-line flag, environment (`DIO_SERVE_` and the name in capitals), configuration file
(TOML), default. Unknown keys are refused. `dio serve --print-config` prints the outcome with these comments and where
each value came from.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from distribute_io.core.placement.model import Policy

ENVIRONMENT_PREFIX: Final = "DIO_SERVE_"


DEFAULT_CAUSE: Final = "main"


class CoordinatorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of `dio serve`. Each has its unit at the end of its name, a range, a default and a why."""

    folder: Annotated[str, Meta(description="Folder to publish. Empty: publish nothing of our own.")] = ""
    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on. The default serves this machine only; 0.0.0.0 serves all networks.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="TCP port of HTTP and sessions. 0: any free one.")] = 8080
    public_url: Annotated[
        str,
        Meta(
            pattern="^(https?://[^/?#@]+)?/?$",
            description="How browsers reach this server: http:// or https://, without a path. Empty: http://HOST:PORT. "
            "Browsers give hashing and storage only to https and to localhost.",
        ),
    ] = ""
    data_dir: Annotated[
        str, Meta(description="Where the key and the catalogue are kept. Empty: ~/.local/share/distribute-io/serve.")
    ] = ""
    catalogue: Annotated[
        str, Meta(description="Durable store: sqlite:///PATH. Empty: catalogue.sqlite in the data directory.")
    ] = ""
    state: Annotated[str, Meta(description="Soft state: memory:// (this process).")] = "memory://"
    cause: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9][a-z0-9-]{0,63}$",
            description="Cause that the folder's files belong to: small letters, digits and hyphens, at most 64.",
        ),
    ] = DEFAULT_CAUSE
    cause_title: Annotated[
        str, Meta(max_length=80, description="What donors see as the cause's name. Empty: from the cause.")
    ] = ""
    contact: Annotated[
        str,
        Meta(
            pattern=r"^((https?://|mailto:)[^\s\"<>]+|[^\s\"<>:/@]+@[^\s\"<>:/@]+)?$",
            max_length=200,
            description="Where to complain about what is spread here, a mail or https:// address; shown on all pages. "
            "Empty: none, which leaves the people who hold the files without anybody to ask.",
        ),
    ] = ""
    stun_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_534,
            description="UDP port of the STUN responder; the next one is used too, so that peers can tell their NAT "
            "class. 0, or when they are taken: any two free ones.",
        ),
    ] = 3478
    stun_host: Annotated[
        str,
        Meta(description="Name that clients are told for STUN. Empty: the host of public_url."),
    ] = ""
    session_url: Annotated[
        str,
        Meta(
            pattern="^(wss?://[^?#]+)?$",
            description="Address of the session that clients are told, ws:// or wss://. Empty: /api/v1/ws under "
            "public_url.",
        ),
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            max_length=64,
            description="Networks (CIDR) of proxies whose X-Forwarded-For is believed: callers are told apart by it. A "
            "coordinator behind a proxy needs it, as all callers have the proxy's address otherwise.",
        ),
    ] = ()
    region_table: Annotated[
        str,
        Meta(
            description="CSV of NETWORK,REGION lines, such as 10.1.0.0/16,EU/DE/berlin: asked first where a peer is. "
            "Near donors are introduced before far ones. Empty: none."
        ),
    ] = ""
    mmdb: Annotated[
        tuple[str, ...],
        Meta(
            max_length=8,
            description="MMDB files (country, city, AS), asked next; the country table that is built in comes last.",
        ),
    ] = ()
    tls_cert: Annotated[str, Meta(description="PEM file with the certificate chain. Empty: plain http.")] = ""
    tls_key: Annotated[str, Meta(description="PEM file with the certificate's private key.")] = ""
    allow_private_mirrors: Annotated[
        bool,
        Meta(description="Accept mirrors on private, loopback and link-local addresses (tests, intranets)."),
    ] = False
    watch_mirrors: Annotated[
        bool,
        Meta(
            description="Check mirrors before they are listed and then on and off, and leave out those that fail. "
            "Without it all are listed unseen: for a coordinator that may open no connections."
        ),
    ] = True
    mirror_check_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Longest time between two checks of one mirror; each costs it one segment, at most 4 MiB.",
        ),
    ] = 900
    mirror_retry_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="From a check that failed to the next; doubled each time up to mirror_check_s.",
        ),
    ] = 15
    rescan_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Seconds between full scans of the folder; between them changes are told by the system, "
            "which network file systems do not do.",
        ),
    ] = 300
    settle_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=3_600_000,
            description="How long a file's size and time must stand still before it is hashed: it may still be "
            "being written.",
        ),
    ] = 2_000
    manifest_life_days: Annotated[
        int,
        Meta(
            ge=0,
            le=3_650,
            description="Days after which a manifest of the folder expires; it is signed again at half of that, so "
            "that nobody can pass off an old version for longer. 0: never.",
        ),
    ] = 0
    hash_files: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Files hashed at once. Each has two threads; more than one helps where the disk is fast.",
        ),
    ] = 1
    sessions_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Open sessions; one takes about 30 kB.")] = 10_000
    sessions_per_address_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Open sessions of one address. High, as a campus or a carrier is many people behind one.",
        ),
    ] = 500
    faults_per_address_max: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Faults (broken protocol, floods, silent connections, false receipts) for which an address is "
            "kept out, for a minute at first; one is forgiven every 10 s. Behind a proxy that trusted_proxies doesn't "
            "name, all callers are one address, and a few bad ones keep everybody out.",
        ),
    ] = 60
    requests_per_address_per_s: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Requests to the API that one address may make in the long run, for the same reason high.",
        ),
    ] = 200
    takers_per_donor_max: Annotated[
        int, Meta(ge=1, le=64, description="Open matches of one donor; its own limit counts when it is lower.")
    ] = 16
    lease_ms: Annotated[
        int, Meta(ge=10_000, le=86_400_000, description="How long an assignment stands without a newer one.")
    ] = 600_000
    run_bytes_min: Annotated[
        int,
        Meta(
            ge=262_144,
            le=2**40,
            description="A donor gets runs of at least this of one file where its storage allows: an introduction "
            "costs about ten messages and a handshake, so it must carry megabytes.",
        ),
    ] = 8 * 2**20
    fairness_between_causes: Annotated[
        float,
        Meta(
            ge=0.0,
            le=2.0,
            description="How much more a cause counts whose downloads donors cover less than the others': its value is "
            "divided by its covered share to this power. 0: whatever saves most. A quarter costs .005 of net offload "
            "where causes are very unlike.",
        ),
    ] = Policy().fairness
    far_byte_weight: Annotated[
        float,
        Meta(
            ge=0.0,
            le=1.0,
            description="What a byte is worth that a donor serves to another region, near being 1, when donors are "
            "filled; a scenario of dio simulate says it as far_weight. Below a half, holdings follow demand from one "
            "region to another even where the far ones have it all; 1: it is only counted how much donors save.",
        ),
    ] = Policy().far_weight
