package com.callstream.enricher.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.util.JsonRecyclerPools;
import java.io.IOException;

/** Makes the new value. One belongs to one task, and so to one thread at a time. */
abstract class Enricher {
  static final JsonFactory JSON =
      JsonFactory.builder()
          .disable(JsonFactory.Feature.CHARSET_DETECTION) // UTF-8 alone, as the others have it
          .recyclerPool(JsonRecyclerPools.threadLocalPool()) // of buffers; the cheapest, where threads are few
          .build();

  final Table table;
  Table.Cause found;

  Enricher(Table table) {
    this.table = table;
  }

  /**
   * Returns the value to write: the very same array if nothing is to be added. Throws a JsonProcessingException if
   * the value is not one JSON object.
   */
  abstract byte[] apply(byte[] value) throws IOException;

  /** What the last value got, if it got something. */
  Table.Cause found() {
    return found;
  }

  String header() {
    return table.header;
  }
}
