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
			Settings: "defaults: the whole default object with advice for each call, and all headers",
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
			Settings: "the floor: fetch, splice a constant, produce, no consumer group; see bench/peers/copier",
		},
		{
			ID: "kafkago", Title: "kafka-go Reader + Writer", Delivery: AtLeastOnce, Slow: true,
			build:    buildGoPeer("kafkago", "github.com/segmentio/kafka-go"),
			Settings: "as its README shows them, with larger batches; see bench/peers/kafkago",
		},
		{
			ID: "streams-alo", Title: "Kafka Streams, byte splice, at least once", Delivery: AtLeastOnce, Slow: true, WarmsUp: true, build: buildStreams("fast"),
			Settings: "tuned, see bench/peers/kstreams",
		},
		{
			ID: "streams-eo", Title: "Kafka Streams, byte splice, exactly once", Delivery: ExactlyOnce, Slow: true, WarmsUp: true, build: buildStreams("fast"),
			Settings: "the same, `exactly_once_v2`, a commit each 100 ms, as by default",
		},
		{
			ID: "streams-tree", Title: "Kafka Streams, Jackson tree, exactly once", Delivery: ExactlyOnce, Work: Tree, Slow: true, WarmsUp: true, build: buildStreams("tree"),
			Settings: "the same with Jackson's tree model, as most would write it; with one codec only, as it takes long and is never the best variant",
		},
	}
}
