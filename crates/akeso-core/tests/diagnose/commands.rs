//! What is said of a script, an option or a value that the program does not take, and of what a
//! program uses up.

use akeso_core::{diagnose::Diagnosis, evidence::Keys};
use serde_json::{Value, json};

use crate::program_and_reference::{crashed, diagnoses, only};

fn told(container: &Value, code: i32, log: &str) -> Diagnosis {
    only(diagnoses(container, &crashed(code), log, &Keys::default()))
}

fn running(words: &[&str]) -> Value {
    json!({"name": "app", "image": "busybox:latest", "command": words})
}

#[test]
fn a_syntax_error_is_told_with_its_line_and_the_field_of_the_script() {
    let inline = running(&["sh", "-c", "if true; then echo hi"]);
    let file = running(&["/start.sh"]);
    let python = running(&["python3", "-u", "-c", "print('hi'"]);
    for (container, code, log, place) in [
        (
            &inline,
            2,
            "sh: 1: Syntax error: end of file unexpected (expecting \"fi\")",
            "in line 1 of command[2]: Syntax error: end of file unexpected",
        ),
        (
            &inline,
            2,
            "sh: syntax error: unexpected end of file (expecting \"fi\")",
            "in command[2]: syntax error: unexpected end of file",
        ),
        (
            &inline,
            2,
            "bash: -c: line 1: syntax error near unexpected token `fi'\nbash: -c: line 1: `fi'",
            "in line 1 of command[2]: syntax error near unexpected token",
        ),
        (
            &file,
            2,
            "/start.sh: 3: Syntax error: \"fi\" unexpected",
            "in line 3 of /start.sh: Syntax error",
        ),
        (
            &python,
            1,
            "  File \"<string>\", line 1\n    print('hi'\n         ^\nSyntaxError: '(' was never closed",
            "in line 1 of command[3]: SyntaxError: '(' was never closed",
        ),
    ] {
        let told = told(container, code, log);
        assert_eq!(told.fault, "script-syntax", "{log}");
        assert!(told.cause.contains(place), "{}", told.cause);
    }
    for log in [
        "ERROR: syntax error at or near \"selct\"",
        "app: syntax error in config.yaml",
        "sh: 1: Syntax error: something\nand on it went\nfor long",
        "Traceback (most recent call last):\n  File \"/app.py\", line 3, in <module>\n    eval(text)\n  File \"<string>\", line 1\n    1 +\n      ^\nSyntaxError: invalid syntax",
    ] {
        assert_eq!(told(&inline, 2, log).fault, "unknown-crash", "{log}");
    }
}

#[test]
fn an_unknown_option_is_told_with_its_field_and_the_one_that_is_close() {
    for (words, code, log, says) in [
        (
            &["sleep", "--forever"][..],
            1,
            "sleep: unrecognized option '--forever'\nTry 'sleep --help' for more information.",
            "the option --forever in command[1]",
        ),
        (
            &["app", "--prot=80"],
            1,
            "Error: unknown flag: --prot\nUsage:\n  app [flags]\n\nFlags:\n      --port int   where to listen\n",
            "the option --prot in command[1], which its program does not know; its usage has --port",
        ),
        (
            &["app", "-prot", "80"],
            2,
            "flag provided but not defined: -prot\nUsage of app:\n  -port int\n    \twhere to listen\n",
            "the option -prot in command[1], which its program does not know; its usage has -port",
        ),
        (
            &["app", "--prot", "80"],
            2,
            "error: unexpected argument '--prot' found\n\n  tip: a similar argument exists: '--port'",
            "the option --prot in command[1]",
        ),
        (
            &["app", "--verbos"],
            2,
            "usage: app [-h]\napp: error: unrecognized arguments: --verbos",
            "the option --verbos in command[1]",
        ),
        (
            &["sh", "-c", "exec app -qx"],
            1,
            "app: invalid option -- 'x'\n",
            "the option -x in command[2]",
        ),
    ] {
        let told = told(&running(words), code, log);
        assert_eq!(told.fault, "wrong-argument", "{log}");
        assert!(told.cause.contains(says), "{}", told.cause);
    }
    // nobody knows where that stands, or it is the input that is wrong
    for log in [
        "app: unrecognized option '--other'",
        "invalid option: \"-\"",
        "invalid argument: 3",
    ] {
        let told = told(&running(&["app", "--forever"]), 1, log);
        assert_eq!(told.fault, "unknown-crash", "{log}");
    }
}

/// A container with these variables.
fn with_variables(pairs: &[(&str, &str)]) -> Value {
    let env: Vec<_> = pairs
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({"name": "app", "image": "busybox:latest", "env": env})
}

#[test]
fn a_value_that_is_not_accepted_is_told_with_its_variable() {
    let container = with_variables(&[("PORT", "abc"), ("MODE", "fast")]);
    for log in [
        "invalid value \"abc\" for PORT",
        "PORT must be a number, not abc",
        "could not parse PORT=abc as a port",
        // that names no variable, and only one has this value
        "ValueError: invalid literal for int() with base 10: 'abc'",
    ] {
        let told = told(&container, 1, log);
        assert_eq!(told.fault, "invalid-value", "{log}");
        assert!(
            told.cause
                .contains("does not accept the value `abc` of its variable PORT"),
            "{}",
            told.cause
        );
    }
    for log in [
        // it went on
        "PORT is not a number, using the default\nsegmentation fault",
        "invalid value in the request\nkilled",
        // two are named
        "invalid combination of PORT and MODE",
        "listening on PORT abc",
    ] {
        assert_eq!(told(&container, 1, log).fault, "unknown-crash", "{log}");
    }
    let twice = with_variables(&[("PORT", "abc"), ("ADMIN_PORT", "abc")]);
    let log = "ValueError: invalid literal for int() with base 10: 'abc'";
    assert_eq!(told(&twice, 1, log).fault, "unknown-crash");
}

#[test]
fn the_value_of_a_credential_is_not_shown_nor_what_quotes_it() {
    let container = with_variables(&[("DB_PASSWORD", "hunter2")]);
    let told = told(&container, 1, "invalid value \"hunter2\" for DB_PASSWORD");
    assert_eq!(told.fault, "invalid-value");
    assert!(
        told.cause
            .ends_with("does not accept the value of its variable DB_PASSWORD")
    );
    assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
}

#[test]
fn shared_memory_and_open_files_are_told_by_the_logs_last_words() {
    let container = running(&["app"]);
    for (code, log) in [
        (
            1,
            "dd: error writing '/dev/shm/x': No space left on device\n65+0 records in",
        ),
        (
            1,
            "FATAL: could not resize shared memory segment \"/PostgreSQL.1\" to 8 bytes: No space left on device",
        ),
        (135, ""),
    ] {
        let told = told(&container, code, log);
        assert_eq!(told.fault, "shared-memory", "{log}");
        assert!(told.cause.contains("64Mi"), "{}", told.cause);
    }
    let mut mounted = container.clone();
    mounted["volumeMounts"] = json!([{"name": "shm", "mountPath": "/dev/shm"}]);
    assert_eq!(told(&mounted, 135, "").fault, "unknown-crash");
    let disk = "write /data/x: No space left on device";
    assert_eq!(told(&container, 1, disk).fault, "no-space-left");
    let files = "OSError: [Errno 24] Too many open files: '/etc/passwd'";
    assert_eq!(told(&container, 1, files).fault, "too-many-files");
}

#[test]
fn a_certificate_that_is_not_valid_now_is_told_by_the_words_of_many_languages() {
    let app = running(&["app"]);
    let go = "Get \"https://api.shop/\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-01T00:00:00Z is after 2025-12-31T00:00:00Z";
    for log in [
        go,
        "requests.exceptions.SSLError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
        "Error: certificate has expired\n    at TLSSocket.onConnectSecure\n  code: 'CERT_HAS_EXPIRED'",
        "Caused by: java.security.cert.CertificateExpiredException: NotAfter: Sat Jan 01 00:00:00 UTC 2022",
        "error: invalid peer certificate: Expired",
    ] {
        let told = told(&app, 1, log);
        assert_eq!(told.fault, "certificate-expired", "{log}");
    }
    assert!(told(&app, 1, go).cause.contains("2025-12-31T00:00:00Z`)"));
    let long_ago = format!("{go}\n{}", "and on it went\n".repeat(40));
    for log in [
        long_ago.as_str(),
        "x509: certificate signed by unknown authority",
        "the session has expired",
    ] {
        assert_ne!(told(&app, 1, log).fault, "certificate-expired", "{log}");
    }
}

#[test]
fn a_kind_that_the_cluster_does_not_serve_is_told_with_the_version_that_it_does() {
    let app = running(&["app"]);
    for (log, says) in [
        (
            "unable to recognize \"ingress.yaml\": no matches for kind \"Ingress\" in version \"networking.k8s.io/v1beta1\"",
            "asks for kind Ingress in networking.k8s.io/v1beta1, which the cluster does not serve; Kubernetes has removed it, and serves Ingress in networking.k8s.io/v1",
        ),
        (
            "ERROR setup {\"error\": \"no matches for kind \\\"Certificate\\\" in version \\\"cert-manager.io/v1\\\"\"}",
            "asks for kind Certificate in cert-manager.io/v1, which the cluster does not serve",
        ),
    ] {
        let told = told(&app, 1, log);
        assert_eq!(told.fault, "api-unknown", "{log}");
        assert!(told.cause.ends_with(says), "{}", told.cause);
    }
    let earlier = format!(
        "no matches for kind \"Widget\" in version \"shop/v1\"\n{}",
        "and on it went\n".repeat(40)
    );
    for log in [earlier.as_str(), "no matches for route /v1beta1"] {
        assert_ne!(told(&app, 1, log).fault, "api-unknown", "{log}");
    }
}

fn told_with(container: &Value, log: &str, keys: &Keys) -> Diagnosis {
    only(diagnoses(container, &crashed(1), log, keys))
}

#[test]
fn an_address_that_is_taken_is_told_with_its_port() {
    let app = json!({"name": "app", "image": "app:1", "ports": [{"containerPort": 9000}]});
    for (log, says) in [
        (
            "2026/01/01 10:22:33 listen tcp :8080: bind: address already in use",
            "port 8080 is taken",
        ),
        (
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
            "port 80 is taken",
        ),
        (
            "Error: listen EADDRINUSE: address already in use :::3000\n    at Server.setupListenHandle (node:net:1463:16)\n    at node:internal/main/run_main_module:23:47",
            "port 3000 is taken",
        ),
        (
            "Description:\n\nWeb server failed to start. Port 8081 was already in use.\n\nAction:\n\nIdentify and stop the process.",
            "port 8081 is taken",
        ),
        (
            "OSError: [Errno 98] Address already in use",
            "port 9000 is taken",
        ),
    ] {
        let told = told_with(&app, log, &Keys::default());
        assert_eq!(told.fault, "address-in-use", "{log}");
        assert!(told.cause.contains(says), "{}", told.cause);
    }
}

#[test]
fn a_file_that_is_not_there_is_told_with_where_it_is() {
    let keys = Keys {
        config_maps: [(
            "source".to_owned(),
            ["main.py".to_owned(), "application.yaml".to_owned()].into(),
        )]
        .into(),
        ..Keys::default()
    };
    let mounts = json!([
        {"name": "source", "mountPath": "/srv/report"},
        {"name": "source", "mountPath": "/etc/gateway/application.yml", "subPath": "application.yml"}
    ]);
    let app = json!({"name": "app", "image": "app:1", "workingDir": "/srv/reports", "volumeMounts": mounts});
    let told = |log: &str| {
        let volumes = json!([{"name": "source", "configMap": {"name": "source"}}]);
        let told = crate::program_and_reference::with_volumes(&app, &volumes, log, &keys);
        assert_eq!(told.fault, "file-not-found", "{log}");
        told.cause
    };
    for (log, says) in [
        (
            "python3: can't open file 'main.py': [Errno 2] No such file or directory",
            "finds no file /srv/reports/main.py; ConfigMap source, which has main.py, is mounted at /srv/report",
        ),
        (
            "IsADirectoryError: [Errno 21] Is a directory: '/etc/gateway/application.yml'",
            "/etc/gateway/application.yml is a directory, and no file: subPath application.yml is no key of ConfigMap source, which is mounted at /etc/gateway/application.yml; it has application.yaml",
        ),
        (
            "panic: open /srv/report/mian.py: no such file or directory",
            "/srv/report/mian.py: mian.py is no key of ConfigMap source",
        ),
        (
            "Error: Cannot find module '/app/server.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1)\n  code: 'MODULE_NOT_FOUND'",
            "finds no file /app/server.js",
        ),
        (
            "Error: Unable to access jarfile /app/app.jar",
            "finds no file /app/app.jar",
        ),
    ] {
        let cause = told(log);
        assert!(cause.contains(says), "{cause}");
    }
}

#[test]
fn what_is_no_complaint_of_a_file_stays_what_it_was() {
    let app = running(&["app"]);
    for log in [
        "GET /missing.html 404 not found",
        "error: user /admin does not exist yet",
        "warning: open /etc/extra: no such file or directory\nboom",
        "ERROR: permission denied for table orders",
    ] {
        let told = told_with(&app, log, &Keys::default());
        assert_eq!(told.fault, "unknown-crash", "{log}: {}", told.cause);
    }
}

#[test]
fn refused_credentials_are_told_with_the_secret_that_has_them() {
    let app = json!({"name": "app", "image": "app:1",
        "env": [{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}],
        "envFrom": [{"secretRef": {"name": "more"}}]});
    for log in [
        "psycopg2.OperationalError: connection to server at \"db\" (10.0.0.3), port 5432 failed: FATAL:  password authentication failed for user \"shop\"",
        "ERROR 1045 (28000): Access denied for user 'shop'@'10.0.0.7' (using password: YES)",
        "redis.exceptions.AuthenticationError: WRONGPASS invalid username-password pair or user is disabled.",
        "MongoServerError: Authentication failed.",
    ] {
        let told = told_with(&app, log, &Keys::default());
        assert_eq!(told.fault, "credentials-refused", "{log}");
        let says = "it has them from key password of Secret db (PGPASSWORD), Secret more (envFrom)";
        assert!(told.cause.contains(says), "{}", told.cause);
    }
}

#[test]
fn a_denied_path_is_told_with_the_user() {
    let app = json!({"name": "app", "image": "app:1", "securityContext": {"runAsUser": 472, "capabilities": {"drop": ["ALL"]}}});
    for (log, says) in [
        (
            "GF_PATHS_DATA='/var/lib/grafana' is not writable.\nmkdir: can't create directory '/var/lib/grafana/plugins': Permission denied",
            "no permission to use /var/lib/grafana/plugins",
        ),
        (
            "chown: /var/lib/mysql: Operation not permitted",
            "no permission to use /var/lib/mysql",
        ),
        (
            "listen tcp :80: bind: permission denied",
            "no permission to do what it wants",
        ),
    ] {
        let told = told_with(&app, log, &Keys::default());
        assert_eq!(told.fault, "permission-denied", "{log}");
        assert!(told.cause.contains(says), "{}", told.cause);
        let user = "it runs as user 472 (securityContext.runAsUser), without any capability";
        assert!(told.cause.contains(user), "{}", told.cause);
    }
}

#[test]
fn an_option_that_is_required_is_told_where_one_close_to_it_is_given() {
    let app = running(&["etl", "--taget=/data", "--verbose"]);
    for log in [
        "usage: etl [-h] --target TARGET\netl: error: the following arguments are required: --target",
        "Error: required flag(s) \"target\" not set",
        "Error: Missing option '--target'.",
    ] {
        let told = told(&app, 2, log);
        assert_eq!(told.fault, "wrong-argument", "{log}");
        let says =
            "is not given the option --target, which its program requires; command[1] has --taget";
        assert!(told.cause.contains(says), "{}", told.cause);
    }
    let other = told(
        &running(&["etl", "--verbose"]),
        2,
        "Error: Missing option '--target'.",
    );
    assert_eq!(other.fault, "unknown-crash");
}
