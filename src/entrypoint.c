/* R looks for R_init_<package>; the Rust library exports the routine registration under its own name. */
void R_init_anndataoom_extendr(void *dll);

void R_init_anndataoom(void *dll) { R_init_anndataoom_extendr(dll); }
