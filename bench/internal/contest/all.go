package contest

// All are those that filter Kafka topics.
func All() []*Contestant {
	const franz = "github.com/twmb/franz-go"
	return []*Contestant{
		{
			ID: "enricher-alo", Title: "enricher, at least once", Delivery: AtLeastOnce, build: buildEnricher,
			Settings: "defaults; `enrich.fields` and `enrich.headers` as above, no routes",
		},
		{
			ID: "enricher-eo", Title: "enricher, exactly once", Delivery: ExactlyOnce, build: buildEnricher,
			Settings: "the same; a commit each 100 ms, as by default",
		},
		{
			ID: "enricher-full", Title: "enricher, exactly once, all fields", Delivery: ExactlyOnce, Work: Full, build: buildEnricher,
			Settings: "defaults: the whole default object with advice for each call, and all six headers",
		},
		{
			ID: "franz-alo", Title: "franz-go, at least once", Delivery: AtLeastOnce, build: buildGoPeer("franz", franz),
			Settings: "tuned, see bench/peers/franz",
		},
		{
			ID: "franz-eo", Title: "franz-go, exactly once", Delivery: ExactlyOnce, build: buildGoPeer("franz", franz),
			Settings: "the same, `GroupTransactSession`, a commit each 100 ms or 50,000 records",
		},
		{
			ID: "copier", Title: "raw copier (no JSON work)", Delivery: AtLeastOnce, Work: Copy, build: buildGoPeer("copier", franz),
			Settings: "the floor: fetch, splice a constant, produce; see bench/peers/copier",
		},
	}
}
