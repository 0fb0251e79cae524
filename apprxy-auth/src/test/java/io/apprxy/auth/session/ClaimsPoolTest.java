package io.apprxy.auth.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ClaimsPoolTest {
  private final ClaimsPool pool = new ClaimsPool();

  @Test
  void claims_areTheSame_whateverTheyAre() {
    Map<String, Object> claims = new HashMap<>();
    claims.put("name", "alice");
    claims.put("long", "x".repeat(5_000));
    claims.put("number", 7L);
    claims.put("truth", true);
    claims.put("groups", new ArrayList<>(List.of("staff", 3L, List.of("nested"))));
    claims.put("odd", new ArrayList<>(Arrays.asList("a", null)));
    claims.put("address", new HashMap<>(Map.of("city", "Bern")));

    assertThat(pool.compact(claims)).isEqualTo(claims);
    assertThat(pool.compact(claims)).as("a second time").isEqualTo(claims);
  }

  @Test
  void textsThatUsersHaveInCommon_areInMemoryOnce() {
    Map<String, Object> first = pool.compact(claims());
    Map<String, Object> second = pool.compact(claims());

    assertThat(second.get("tid")).isSameAs(first.get("tid"));
    assertThat(((List<?>) second.get("groups")).get(0))
        .isSameAs(((List<?>) first.get("groups")).get(0));
    assertThat(second.keySet().iterator().next()).isSameAs(first.keySet().iterator().next());
  }

  private static Map<String, Object> claims() {
    return Map.of(new String("tid"), new String("t-1"), "groups", List.of(new String("staff")));
  }

  /** One request must not change who the next one is made for. */
  @Test
  void claims_cannotBeChanged_alsoNotTheirLists() {
    Map<String, Object> compact =
        pool.compact(Map.of("groups", new ArrayList<>(List.of("staff")), "a", Map.of("b", "c")));

    @SuppressWarnings("unchecked")
    List<Object> groups = (List<Object>) compact.get("groups");
    @SuppressWarnings("unchecked")
    Map<String, Object> nested = (Map<String, Object>) compact.get("a");
    assertThatThrownBy(() -> groups.add("admins"))
        .isInstanceOf(UnsupportedOperationException.class);
    assertThatThrownBy(() -> nested.put("b", "d"))
        .isInstanceOf(UnsupportedOperationException.class);
  }
}
