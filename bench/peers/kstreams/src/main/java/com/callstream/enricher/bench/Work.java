package com.callstream.enricher.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** What is done to each record of a partition. */
final class Work implements Processor<byte[], byte[], byte[], byte[]> {
  static final String OUT = "out";
  static final String DEAD = "dead";

  private static final AtomicBoolean SAID = new AtomicBoolean();

  private final Enricher enricher;
  private final SamePartition partitioner;
  private ProcessorContext<byte[], byte[]> context;
  private Optional<Set<Integer>> partition;
  private boolean begun;

  Work(Enricher enricher, SamePartition partitioner) {
    this.enricher = enricher;
    this.partitioner = partitioner;
  }

  @Override
  public void init(ProcessorContext<byte[], byte[]> c) {
    context = c;
    partition = partitioner.of(c.taskId().partition()); // one topic is read, so a task has one partition
  }

  @Override
  public void process(Record<byte[], byte[]> r) {
    if (!begun) {
      begun = true;
      first();
    }
    partitioner.use(partition);
    byte[] value = r.value();
    if (value == null) { // a tombstone
      context.forward(r, OUT);
      return;
    }
    try {
      byte[] changed = enricher.apply(value);
      if (changed == value) {
        context.forward(r, OUT);
        return;
      }
      Record<byte[], byte[]> n = r.withValue(changed);
      n.headers().add(enricher.header(), enricher.found().code);
      context.forward(n, OUT);
    } catch (JsonProcessingException e) {
      r.headers().add("dlq-error", e.getOriginalMessage().getBytes(StandardCharsets.UTF_8));
      context.forward(r, DEAD);
    } catch (IOException e) { // cannot be: the bytes are in memory
      throw new UncheckedIOException(e);
    }
  }

  /** Tells the harness that the first records are in hand. */
  private static void first() {
    if (SAID.compareAndSet(false, true)) {
      System.out.print("first\n");
      System.out.flush();
    }
  }
}
