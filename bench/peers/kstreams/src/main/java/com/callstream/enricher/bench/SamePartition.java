package com.callstream.enricher.bench;

import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.streams.processor.StreamPartitioner;

/**
 * Keeps a record's partition. A partitioner is not told where a record came from; but a processor
 * forwards to a sink in its own thread, so it can leave the number there just before.
 */
final class SamePartition implements StreamPartitioner<byte[], byte[]> {
  private final ThreadLocal<Optional<Set<Integer>>> current = new ThreadLocal<>();
  private final ConcurrentHashMap<Integer, Optional<Set<Integer>>> all = new ConcurrentHashMap<>();

  /** What a processor passes to {@link #use}, made once. */
  Optional<Set<Integer>> of(int partition) {
    return all.computeIfAbsent(partition, p -> Optional.of(Set.of(p)));
  }

  void use(Optional<Set<Integer>> partition) {
    current.set(partition);
  }

  @Override
  public Optional<Set<Integer>> partitions(String topic, byte[] key, byte[] value, int count) {
    return current.get();
  }
}
