//! What was healed and breaks again within the regression window was not healed.

use akeso_core::journal::Fact;
use akeso_core::learn::Level;

use crate::bench::Bench;

#[test]
fn a_relapse_after_hours_opens_its_incident_again_and_counts_against_the_pattern() {
    let mut bench = Bench::under("{autonomy: full, canary: off}");
    let needs = |peak: &str| {
        format!(
            "containers: {{web/app: {{memory: {{start: 10Mi, step: 10Mi, every: 1s, peak: {peak}}}}}}}"
        )
    };
    bench.behave(&needs("200Mi"));
    bench.apply("web", 1, "nginx", "resources: {limits: {memory: 128Mi}}");
    bench.run(300);
    assert_eq!(bench.heals(), 1, "{}", bench.story());
    let failures = |bench: &Bench| -> Vec<_> {
        let patterns = bench.simulation.engine.ledger().patterns();
        let of_program = patterns
            .iter()
            .filter(|it| it.fingerprint.level() == Level::Program);
        of_program.map(|pattern| pattern.failures).collect()
    };
    assert_eq!(failures(&bench), [0]);

    bench.run(5 * 3_600);
    bench.behave(&needs("3Gi"));
    bench.delete_pods("web");
    bench.run(300);
    assert_eq!(
        bench.count(|fact| matches!(fact, Fact::Reopened { .. })),
        1,
        "{}",
        bench.story()
    );
    assert!(failures(&bench)[0] >= 1, "{}", bench.story());
}
