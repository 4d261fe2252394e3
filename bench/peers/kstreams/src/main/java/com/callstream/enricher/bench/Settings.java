package com.callstream.enricher.bench;

import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp;

/**
 * How Streams is set.
 *
 * <ul>
 *   <li>One thread for each core: the tasks, one for each partition, are spread over them.
 *   <li>Polls of up to 5,000 records and buffers of 10,000 let a thread work for long without going around its
 *       loop, which the defaults of 1,000 would make a larger part of. Fetches are left at 1 MiB for each partition: 4 MiB cost
 *       the same and take 200 MiB more.
 *   <li>Batches of up to 512 KiB, since the default of 16 KiB makes a request of twenty events; the linger is
 *       Kafka's default of 5 ms (2 ms cost a tenth more, 20 ms no less).
 *   <li>Commits as the guarantees have it by default: each 100 ms exactly once, each 30 s at least once.
 *   <li>Metrics are not pushed to the broker.
 * </ul>
 */
final class Settings {
  private static final int MIB = 1 << 20;

  private Settings() {}

  static Properties of(Flags flags, String stateDir) {
    Properties p = new Properties();
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, flags.need("brokers"));
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, flags.need("group"));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee(flags.get("delivery", "at_least_once")));
    p.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
    p.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
    p.put(StreamsConfig.DEFAULT_TIMESTAMP_EXTRACTOR_CLASS_CONFIG, UsePartitionTimeOnInvalidTimestamp.class);
    p.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);

    consumer(p, ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    consumer(p, ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5_000);
    consumer(p, ConsumerConfig.RECEIVE_BUFFER_CONFIG, MIB);

    producer(p, ProducerConfig.ACKS_CONFIG, "all");
    producer(p, ProducerConfig.COMPRESSION_TYPE_CONFIG, flags.get("compression", "none"));
    producer(p, ProducerConfig.LINGER_MS_CONFIG, 5);
    producer(p, ProducerConfig.BATCH_SIZE_CONFIG, MIB / 2);
    producer(p, ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 4 * MIB);
    producer(p, ProducerConfig.BUFFER_MEMORY_CONFIG, 64 * MIB);
    producer(p, ProducerConfig.SEND_BUFFER_CONFIG, MIB);
    return p;
  }

  private static String guarantee(String delivery) {
    return switch (delivery) {
      case "at_least_once" -> StreamsConfig.AT_LEAST_ONCE;
      case "exactly_once" -> StreamsConfig.EXACTLY_ONCE_V2;
      default -> throw new IllegalArgumentException("-delivery " + delivery + " is neither at_least_once nor exactly_once");
    };
  }

  private static void consumer(Properties p, String name, Object value) {
    p.put(StreamsConfig.consumerPrefix(name), value);
  }

  private static void producer(Properties p, String name, Object value) {
    p.put(StreamsConfig.producerPrefix(name), value);
  }
}
