// Exits with 0 if this processor and its system can run programs for LEVEL.
#define STRING_(x) #x
#define STRING(x) STRING_(x)

int main() {
  __builtin_cpu_init();
  return __builtin_cpu_supports(STRING(LEVEL)) ? 0 : 1;
}
