package io.apprxy.auth.session;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Makes claims small, and immutable to their leaves: what many users have in common, such as names
 * of claims and of groups, is in memory once. What is new takes the place of what has the same
 * hash, so nothing that users are called can make it grow. Thread-safe.
 */
final class ClaimsPool {
  private static final int MAX_LENGTH = 256;

  /** Names of claims, and what stands in lists: thousands of groups. */
  private final AtomicReferenceArray<String> names = new AtomicReferenceArray<>(1 << 14);

  /** What stands alone; most of it is one user's, and gives way to what all have, as a tenant. */
  private final AtomicReferenceArray<String> values = new AtomicReferenceArray<>(1 << 10);

  /** The same text, and the same object if it was seen a short while ago. */
  String share(String text) {
    return share(text, values);
  }

  private static String share(String text, AtomicReferenceArray<String> places) {
    if (text.length() > MAX_LENGTH) {
      return text;
    }
    int hash = text.hashCode();
    int place = (hash ^ (hash >>> 16)) & (places.length() - 1);
    String known = places.get(place);
    if (text.equals(known)) {
      return known;
    }
    places.set(place, text);
    return text;
  }

  Map<String, Object> compact(Map<?, ?> claims) {
    Map<String, Object> compact = new HashMap<>();
    claims.forEach((name, value) -> compact.put(share((String) name, names), value(value, values)));
    return Collections.unmodifiableMap(compact);
  }

  private Object value(Object value, AtomicReferenceArray<String> places) {
    if (value instanceof String text) {
      return share(text, places);
    }
    if (value instanceof Map<?, ?> map) {
      return compact(map);
    }
    if (value instanceof List<?> list) {
      List<Object> compact = new ArrayList<>(list.size());
      list.forEach(element -> compact.add(value(element, names)));
      return compact.stream().allMatch(Objects::nonNull)
          ? List.copyOf(compact)
          : Collections.unmodifiableList(compact);
    }
    return value;
  }
}
