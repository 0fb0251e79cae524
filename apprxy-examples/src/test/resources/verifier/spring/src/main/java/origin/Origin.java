package origin;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** An application of somebody else's, with the configuration that the README shows. */
@SpringBootApplication
@RestController
public class Origin {
  public static void main(String[] args) {
    SpringApplication.run(Origin.class, args);
  }

  @RequestMapping("/")
  String hello(@AuthenticationPrincipal Jwt user) {
    return "Hello, " + user.getClaimAsString("name") + "\n";
  }
}
