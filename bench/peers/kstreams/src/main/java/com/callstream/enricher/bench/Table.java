package com.callstream.enricher.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** What to add for which code, as the harness has written it. */
final class Table {
  /** Where the code stands, at the top of an event. */
  static final String CODE_FIELD = "HangupCauseCode";

  /** A code has at most nine digits here; the enricher's may have ten. */
  private static final int MOST_DIGITS = 9;

  String field;
  String header;
  private Cause[] causes = new Cause[1]; // by code; 10,000 entries for real

  /** What one code adds. */
  static final class Cause {
    final byte[] code; // value of the header
    final byte[] splice; // ,"hangup":{…}
    final ObjectNode node; // the same object; shared and never changed

    Cause(byte[] code, byte[] splice, ObjectNode node) {
      this.code = code;
      this.splice = splice;
      this.node = node;
    }
  }

  /** The cause of a code, or null. A negative code has none. */
  Cause get(int code) {
    return code >= 0 && code < causes.length ? causes[code] : null;
  }

  /** Reads the file. The objects are cut out of it as they stand there: writing them anew could change bytes. */
  static Table load(Path file) throws IOException {
    byte[] text = Files.readAllBytes(file);
    Table t = new Table();
    try (JsonParser p = new JsonFactory().createParser(text)) {
      p.nextToken();
      while (p.nextToken() == JsonToken.FIELD_NAME) {
        String name = p.currentName();
        p.nextToken();
        switch (name) {
          case "field" -> t.field = p.getText();
          case "header" -> t.header = p.getText();
          case "codes" -> t.readCodes(p, text);
          default -> p.skipChildren();
        }
      }
    }
    if (t.field == null || t.header == null) {
      throw new IOException(file + ": field or header is missing");
    }
    return t;
  }

  private void readCodes(JsonParser p, byte[] text) throws IOException {
    if (field == null) {
      throw new IOException("field must come before codes");
    }
    ObjectMapper mapper = new ObjectMapper();
    byte[] name = mapper.writeValueAsBytes(field);
    while (p.nextToken() == JsonToken.FIELD_NAME) {
      String code = p.currentName();
      p.nextToken();
      int from = (int) p.currentTokenLocation().getByteOffset();
      p.skipChildren();
      byte[] object = Arrays.copyOfRange(text, from, (int) p.currentLocation().getByteOffset());
      ByteArrayOutputStream splice = new ByteArrayOutputStream();
      splice.write(',');
      splice.write(name);
      splice.write(':');
      splice.write(object);
      put(Integer.parseInt(code), new Cause(code.getBytes(StandardCharsets.UTF_8), splice.toByteArray(), (ObjectNode) mapper.readTree(object)));
    }
  }

  private void put(int code, Cause c) {
    if (code >= causes.length) {
      causes = Arrays.copyOf(causes, code + 1);
    }
    causes[code] = c;
  }

  /** Digits as a number, or -1. */
  static int parse(char[] text, int from, int length) {
    if (length == 0 || length > MOST_DIGITS) {
      return -1;
    }
    int n = 0;
    for (int i = from; i < from + length; i++) {
      int d = text[i] - '0';
      if (d < 0 || d > 9) {
        return -1;
      }
      n = n * 10 + d;
    }
    return n;
  }
}
