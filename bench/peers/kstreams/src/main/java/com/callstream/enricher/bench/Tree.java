package com.callstream.enricher.bench;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;

/**
 * The variant that most would write: Jackson's tree, a member set in it, the tree written again. What changes is
 * white space, escapes, and how numbers are written; the last of several members of one name wins.
 */
final class Tree extends Enricher {
  private static final ObjectMapper MAPPER =
      JsonMapper.builder(JSON).enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

  Tree(Table table) {
    super(table);
  }

  @Override
  byte[] apply(byte[] v) throws IOException {
    JsonNode root = MAPPER.readTree(v);
    if (!(root instanceof ObjectNode o)) {
      throw new JsonParseException(null, "not an object");
    }
    JsonNode c = o.get(Table.CODE_FIELD);
    found = c != null && (c.isTextual() || c.isIntegralNumber()) ? table.get(parse(c.asText())) : null;
    if (found == null) {
      return v;
    }
    o.set(table.field, found.node);
    return MAPPER.writeValueAsBytes(o);
  }

  private static int parse(String text) {
    return Table.parse(text.toCharArray(), 0, text.length());
  }
}
