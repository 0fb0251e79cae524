package origin;

import java.time.Duration;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.*;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class GatewayUsers {
  @Bean
  SecurityFilterChain onlyThroughTheGateway(HttpSecurity http) throws Exception {
    NimbusJwtDecoder assertions = NimbusJwtDecoder.withJwkSetUri(System.getenv("GATEWAY_KEYS"))
        .jwsAlgorithm(SignatureAlgorithm.ES256).build(); // https://wiki.example.com/.apprxy/jwks.json
    assertions.setJwtValidator(JwtValidators.createDefaultWithValidators(
        new JwtTimestampValidator(Duration.ofSeconds(10)),
        new JwtIssuerValidator("https://gateway.example.com"), new JwtAudienceValidator("wiki")));
    return http.authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
        .oauth2ResourceServer(users -> users.jwt(jwt -> jwt.decoder(assertions))
            .bearerTokenResolver(request -> request.getHeader("X-Apprxy-Assertion")))
        .build();
  }
}
