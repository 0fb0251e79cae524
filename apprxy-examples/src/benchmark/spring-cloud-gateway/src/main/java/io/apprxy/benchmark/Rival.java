package io.apprxy.benchmark;

import java.util.List;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.gateway.route.RouteLocator;
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;
import org.springframework.security.authorization.AuthorizationDecision;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.reactive.EnableWebFluxSecurity;
import org.springframework.security.config.web.server.ServerHttpSecurity;
import org.springframework.security.oauth2.client.registration.ReactiveClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestCustomizers;
import org.springframework.security.oauth2.client.web.server.DefaultServerOAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.web.server.SecurityWebFilterChain;

/** Spring Cloud Gateway with {@code oauth2Login}, that lets the group {@code staff} pass. */
@SpringBootApplication(proxyBeanMethods = false)
@EnableWebFluxSecurity
public class Rival {
  public static void main(String[] arguments) {
    SpringApplication.run(Rival.class, arguments);
  }

  @Bean
  RouteLocator routes(RouteLocatorBuilder builder, Environment environment) {
    return builder
        .routes()
        .route(route -> route.path("/**").uri(environment.getRequiredProperty("origin")))
        .build();
  }

  @Bean
  SecurityWebFilterChain security(
      ServerHttpSecurity http, ReactiveClientRegistrationRepository clients) {
    var requests = new DefaultServerOAuth2AuthorizationRequestResolver(clients);
    requests.setAuthorizationRequestCustomizer(OAuth2AuthorizationRequestCustomizers.withPkce());
    return http.csrf(ServerHttpSecurity.CsrfSpec::disable) // it would refuse the uploads
        .authorizeExchange(
            exchanges ->
                exchanges
                    .anyExchange()
                    .access(
                        (user, unused) ->
                            user.map(
                                one ->
                                    new AuthorizationDecision(
                                        one.getPrincipal() instanceof OidcUser known
                                            && known.getClaim("groups") instanceof List<?> groups
                                            && groups.contains("staff")))))
        .oauth2Login(login -> login.authorizationRequestResolver(requests))
        .oauth2Client(Customizer.withDefaults())
        .build();
  }
}
