package com.callstream.enricher.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * The enricher's work done with Kafka Streams, in two variants: see {@link Fast} and {@link Tree}. How it is tuned is
 * in {@link Settings}.
 */
public final class Main {
  private static final Duration CLOSE_TIME = Duration.ofSeconds(30);

  private Main() {}

  /** Runs until SIGTERM, then commits and exits with 0. */
  public static void main(String[] args) throws Exception {
    try {
      run(Flags.parse(args));
    } catch (IllegalArgumentException | IOException e) {
      fail(e);
    }
  }

  private static void run(Flags flags) throws Exception {
    Table table = Table.load(Path.of(flags.need("table")));
    String variant = flags.get("variant", "fast");
    if (!List.of("fast", "tree").contains(variant)) {
      throw new IllegalArgumentException("-variant " + variant + " is neither fast nor tree");
    }
    Path state = Files.createTempDirectory("kstreams"); // Streams wants one, and puts an id into it
    KafkaStreams streams =
        new KafkaStreams(topology(flags, variant, table), Settings.of(flags, state.toString()));
    CompletableFuture<Throwable> failure = new CompletableFuture<>();
    streams.setUncaughtExceptionHandler(
        e -> {
          failure.complete(e);
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  // Acknowledges and commits what is under way. Without leaving, the partitions would
                  // wait for the end of the session, 45 s.
                  boolean clean =
                      streams.close(
                          CloseOptions.timeout(CLOSE_TIME)
                              .withGroupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
                  delete(state);
                  // The exit code of a Java machine that ends by a signal says so, whatever hooks did.
                  Runtime.getRuntime().halt(clean && !failure.isDone() ? 0 : 1);
                }));
    streams.start();
    fail(failure.get()); // for ever, unless something goes wrong
  }

  static Topology topology(Flags flags, String variant, Table table) {
    ByteArrayDeserializer read = new ByteArrayDeserializer();
    ByteArraySerializer write = new ByteArraySerializer();
    SamePartition partitioner = new SamePartition();
    Topology t = new Topology();
    t.addSource("in", read, read, flags.need("in"));
    t.addProcessor(
        "enrich",
        () -> new Work(variant.equals("tree") ? new Tree(table) : new Fast(table), partitioner),
        "in");
    t.addSink(Work.OUT, flags.need("out"), write, write, partitioner, "enrich");
    t.addSink(Work.DEAD, flags.need("dead"), write, write, partitioner, "enrich");
    return t;
  }

  private static void fail(Throwable e) {
    System.err.println("kstreams: " + e);
    System.exit(1);
  }

  private static void delete(Path dir) {
    try (var all = Files.walk(dir)) {
      all.sorted(Comparator.reverseOrder())
          .forEach(
              p -> {
                try {
                  Files.deleteIfExists(p);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              });
    } catch (IOException | UncheckedIOException e) {
      System.err.println("kstreams: remove " + dir + ": " + e); // litter alone
    }
  }
}
