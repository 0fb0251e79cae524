package io.apprxy.auth.oidc;

import com.nimbusds.oauth2.sdk.util.URLUtils;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The parameters of a request to a page of the gateway. Immutable. */
record Parameters(Map<String, List<String>> all) {

  /**
   * The parameters of a query.
   *
   * @throws GatewayException if one comes twice (RFC 6749 §3.1)
   */
  static Parameters of(@Nullable String query) {
    Map<String, List<String>> all = query == null ? Map.of() : URLUtils.parseParameters(query);
    for (List<String> values : all.values()) {
      if (values.size() != 1) {
        throw new GatewayException(ErrorCode.SIGN_IN_FAILED, "a parameter comes twice");
      }
    }
    return new Parameters(all);
  }

  @Nullable String get(String name) {
    List<String> values = all.get(name);
    return values == null ? null : values.get(0);
  }

  /** Names only: a code is a secret. */
  @Override
  public String toString() {
    return Untrusted.text(all.keySet().toString());
  }
}
