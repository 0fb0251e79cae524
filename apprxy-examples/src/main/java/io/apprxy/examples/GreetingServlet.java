package io.apprxy.examples;

import io.apprxy.auth.servlet.IdentityPrincipal;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;

/** A servlet that greets its user, and knows nothing of how they signed in. */
final class GreetingServlet extends HttpServlet {
  @Override
  protected void doGet(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    String groups =
        request.getUserPrincipal() instanceof IdentityPrincipal user
            ? String.join(", ", user.identity().groups())
            : "";
    response.setContentType("text/html;charset=utf-8");
    response
        .getWriter()
        .write(
            """
            <!doctype html>
            <html lang="en"><meta charset="utf-8"><title>A servlet application</title>
            <h1>Hello, %s</h1>
            <p>Groups: %s. Staff: %s.</p>
            <p><a href="/.apprxy/sign-out">Sign out</a></p>
            </html>
            """
                .formatted(
                    DemoPage.escape(request.getRemoteUser()),
                    DemoPage.escape(groups),
                    request.isUserInRole("staff") ? "yes" : "no"));
  }
}
