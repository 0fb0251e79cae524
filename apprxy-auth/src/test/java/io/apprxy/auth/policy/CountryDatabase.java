package io.apprxy.auth.policy;

import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes what {@link MaxMindCountries} reads: a file of MaxMind DB format 2.0, with IPv4 below
 * {@code ::/96} of a tree of IPv6, as GeoLite2 has it.
 */
final class CountryDatabase {
  private static final int EMPTY = -1;

  /** Each node has a left and a right record: another node, or a country, from {@code -2} down. */
  private final List<int[]> nodes = new ArrayList<>(List.of(new int[] {EMPTY, EMPTY}));

  private final List<Object> values = new ArrayList<>();

  CountryDatabase country(String network, String code) throws Exception {
    return value(network, Map.of("country", Map.of("iso_code", code)));
  }

  CountryDatabase value(String network, Object value) throws Exception {
    String[] parts = network.split("/");
    byte[] octets = InetAddress.getByName(parts[0]).getAddress();
    byte[] whole = new byte[16];
    System.arraycopy(octets, 0, whole, 16 - octets.length, octets.length);
    int prefix = Integer.parseInt(parts[1]) + (octets.length == 4 ? 96 : 0);
    values.add(value);
    int node = 0;
    for (int bit = 0; bit < prefix; bit++) {
      int side = whole[bit / 8] >> (7 - bit % 8) & 1;
      if (bit == prefix - 1) {
        nodes.get(node)[side] = -1 - values.size();
      } else {
        if (nodes.get(node)[side] < 0) {
          nodes.add(new int[] {EMPTY, EMPTY});
          nodes.get(node)[side] = nodes.size() - 1;
        }
        node = nodes.get(node)[side];
      }
    }
    return this;
  }

  byte[] bytes() {
    ByteArrayOutputStream data = new ByteArrayOutputStream();
    int[] offsets = new int[values.size()];
    for (int i = 0; i < offsets.length; i++) {
      offsets[i] = data.size();
      write(data, values.get(i));
    }
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    for (int[] node : nodes) {
      for (int record : node) {
        int value =
            record == EMPTY
                ? nodes.size()
                : record < EMPTY ? nodes.size() + 16 + offsets[-2 - record] : record;
        file.write(value >> 16);
        file.write(value >> 8);
        file.write(value);
      }
    }
    file.writeBytes(new byte[16]);
    file.writeBytes(data.toByteArray());
    file.writeBytes(new byte[] {(byte) 0xAB, (byte) 0xCD, (byte) 0xEF});
    file.writeBytes("MaxMind.com".getBytes(StandardCharsets.US_ASCII));
    Map<String, Object> metadata = new LinkedHashMap<>();
    metadata.put("node_count", nodes.size());
    metadata.put("record_size", 24);
    metadata.put("ip_version", 6);
    metadata.put("database_type", "Test-Country");
    metadata.put("languages", List.of("en"));
    metadata.put("binary_format_major_version", 2);
    metadata.put("binary_format_minor_version", 0);
    metadata.put("build_epoch", 1_700_000_000L);
    metadata.put("description", Map.of("en", "test"));
    write(file, metadata);
    return file.toByteArray();
  }

  private static void write(ByteArrayOutputStream to, Object value) {
    if (value instanceof Map<?, ?> map) {
      to.write(7 << 5 | map.size());
      map.forEach(
          (name, part) -> {
            write(to, name);
            write(to, part);
          });
    } else if (value instanceof List<?> list) {
      to.write(list.size());
      to.write(11 - 7);
      list.forEach(part -> write(to, part));
    } else if (value instanceof Long number) {
      to.write(8);
      to.write(9 - 7);
      for (int shift = 56; shift >= 0; shift -= 8) {
        to.write((int) (number >> shift));
      }
    } else if (value instanceof Integer number) {
      to.write(6 << 5 | 4);
      for (int shift = 24; shift >= 0; shift -= 8) {
        to.write(number >> shift);
      }
    } else {
      byte[] text = value.toString().getBytes(StandardCharsets.UTF_8);
      to.write(2 << 5 | text.length);
      to.writeBytes(text);
    }
  }
}
