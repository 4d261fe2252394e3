package com.callstream.enricher.bench;

import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** The command line: -name value, as the Go peers have it, and -variant besides. */
final class Flags {
  private static final Set<String> KNOWN =
      Set.of("brokers", "in", "out", "dead", "group", "compression", "delivery", "table", "variant");

  private final Map<String, String> values = new HashMap<>();

  static Flags parse(String[] args) {
    Flags f = new Flags();
    for (int i = 0; i < args.length; i += 2) {
      String name = args[i].startsWith("-") ? args[i].substring(1) : "";
      if (!KNOWN.contains(name) || i + 1 == args.length) {
        throw new IllegalArgumentException("bad argument " + args[i]);
      }
      f.values.put(name, args[i + 1]);
    }
    return f;
  }

  String get(String name, String otherwise) {
    return values.getOrDefault(name, otherwise);
  }

  String need(String name) {
    String v = values.get(name);
    if (v == null || v.isEmpty()) {
      throw new IllegalArgumentException("-" + name + " is missing");
    }
    return v;
  }
}
