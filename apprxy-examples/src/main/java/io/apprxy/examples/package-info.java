/**
 * Runnable examples, one file each. Start with {@link io.apprxy.examples.Quickstart}; {@link
 * io.apprxy.examples.GatewayExample} and {@link io.apprxy.examples.ConnectorExample} are the same
 * as two processes. What is called a demo is for trying out only.
 */
@NullMarked
package io.apprxy.examples;

import org.jspecify.annotations.NullMarked;
