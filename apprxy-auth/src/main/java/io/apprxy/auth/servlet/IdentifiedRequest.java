package io.apprxy.auth.servlet;

import jakarta.servlet.AsyncContext;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletRequestWrapper;
import jakarta.servlet.http.HttpServletResponse;
import org.jspecify.annotations.Nullable;

/** A request that says whose it is. */
class IdentifiedRequest extends HttpServletRequestWrapper {
  private final HttpServletResponse response;
  private final @Nullable IdentityPrincipal principal;

  /**
   * @param response what the application answers to, if it does not say so itself
   * @param principal null where nobody is known: then the container's own word is passed on
   */
  IdentifiedRequest(
      HttpServletRequest request,
      HttpServletResponse response,
      @Nullable IdentityPrincipal principal) {
    super(request);
    this.response = response;
    this.principal = principal;
  }

  /** With what the application sees: the container would take its own request and response. */
  @Override
  public AsyncContext startAsync() {
    return startAsync(this, response);
  }

  @Override
  public java.security.@Nullable Principal getUserPrincipal() {
    return principal == null ? super.getUserPrincipal() : principal;
  }

  @Override
  public @Nullable String getRemoteUser() {
    return principal == null ? super.getRemoteUser() : principal.getName();
  }

  @Override
  public boolean isUserInRole(String role) {
    return principal == null ? super.isUserInRole(role) : principal.hasRole(role);
  }

  @Override
  public @Nullable String getAuthType() {
    return principal == null ? super.getAuthType() : "apprxy";
  }

  @Override
  public boolean authenticate(HttpServletResponse response)
      throws java.io.IOException, ServletException {
    return principal != null || super.authenticate(response);
  }

  @Override
  public void login(String user, String password) throws ServletException {
    if (principal != null) {
      throw new ServletException("the user is signed in already");
    }
    super.login(user, password);
  }

  /** The session is not the container's to end. */
  @Override
  public void logout() throws ServletException {
    if (principal != null) {
      throw new ServletException("send the user to /.apprxy/sign-out to sign out");
    }
    super.logout();
  }
}
