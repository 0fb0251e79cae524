package io.apprxy.auth.policy;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.nio.charset.StandardCharsets;

/** What holds for any text that is handed over as policies. */
class PolicyFuzzTest {
  @FuzzTest
  void json(byte[] input) {
    PolicySet set;
    try {
      set = PolicySet.fromJson(new String(input, StandardCharsets.UTF_8));
    } catch (IllegalArgumentException e) {
      assertThat(e).hasMessageStartingWith("no valid policy set");
      return;
    }
    assertThat(PolicySet.fromJson(set.toJson())).isEqualTo(set);
    assertThat(set.policies())
        .allSatisfy(policy -> assertThat(policy.conditions().users().isEmpty()).isFalse());
  }
}
